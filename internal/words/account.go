package words

import (
	"cmp"
	"fmt"
	"time"

	"muster/internal/event"
)

// accountEvent describes an account, and what follows for the tasks that use it.
func accountEvent(e event.Event) (string, bool) {
	switch p := e.Data.(type) {
	case event.WakeRequested:
		return fmt.Sprintf("a person asked to try %s again", e.Account), true
	case event.RestRequested:
		return fmt.Sprintf("a person asked to let %s rest%s", e.Account, End(p.Until)), true
	case event.AccountRested:
		text := fmt.Sprintf("%s rests%s: %s", e.Account, End(p.Until), Cause(p.Cause))
		if p.By != "" {
			text += fmt.Sprintf(", as the agent of %s reports", p.By)
		}
		return text + source(p.Source), true
	case event.AccountUntil:
		return fmt.Sprintf("%s rests%s, as the agent of %s reports%s", e.Account, End(p.Until), p.By, source(p.Source)), true
	case event.AccountMet:
		return fmt.Sprintf("%s met it, too: its agent goes on when %s may be used again", p.Task, e.Account), true
	case event.AccountProbing:
		return fmt.Sprintf("%s is tried again by one agent, since %s", e.Account, wakeWhy(p.Why)), true
	case event.AccountProbed:
		return fmt.Sprintf("the agent of %s tries %s, alone", p.Task, e.Account), true
	case event.AccountProved:
		return fmt.Sprintf("the agent of %s got an answer on %s: the others follow, one after another", p.Task, e.Account), true
	case event.AccountWoke:
		return fmt.Sprintf("%s is free again", e.Account), true
	case event.AccountUsed:
		text := fmt.Sprintf("used of the limits of %s:", e.Account)
		for i, w := range p.Windows {
			if i > 0 {
				text += ","
			}
			text += fmt.Sprintf(" %s %.0f %%", w.Name, w.UsedPercent)
		}
		return text, true
	case event.AccountSpent:
		return spent(e.Account, p), true
	case event.AccountHeld:
		text := fmt.Sprintf("its account %s rests%s: %s", p.Account, End(p.Until), Cause(p.Cause))
		if p.Account == event.NightBudget {
			text = fmt.Sprintf("the whole fleet rests%s: %s", End(p.Until), Cause(p.Cause))
		}
		if p.Hard {
			text += "; its turn is ended at once"
		}
		return text, true
	case event.AccountReleased:
		return "its account no longer rests", true
	}
	return "", false
}

// of names an account, or the night.
func of(id event.AccountID) string {
	if id == event.NightBudget {
		return "the night"
	}
	return string(id)
}

// spent describes what was used of the budget of an account, or of the night.
func spent(id event.AccountID, p event.AccountSpent) string {
	if p.Until.IsZero() {
		return fmt.Sprintf("the budget of %s is renewed", of(id))
	}
	text := fmt.Sprintf("used of the budget of %s: $%.2f, %d tokens", of(id), p.Usage.CostUSD, p.Usage.Tokens())
	switch p.Level {
	case event.SpendFree:
	case event.SpendSoft:
		text += "; no task is begun until it is renewed"
	case event.SpendSpent:
		text += "; it is spent"
	}
	return text
}

// End returns " until" and a time in UTC; "" for the zero time.
func End(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " until " + t.UTC().Format("2006-01-02 15:04 UTC")
}

// Cause describes why an account rests.
func Cause(c event.RestCause) string {
	switch cmp.Or(c, event.RestLimit) {
	case event.RestLimit:
		return "its usage limit is reached"
	case event.RestOverloaded:
		return "its service is overloaded"
	case event.RestAuth:
		return "its login does not work"
	case event.RestBilling:
		return "its money is out"
	case event.RestBudget:
		return "its budget is spent"
	case event.RestPerson:
		return "a person asked for it"
	}
	return string(c)
}

func source(s event.RestSource) string {
	if s == "" || s == event.SourceNone {
		return ""
	}
	return fmt.Sprintf(" (from %s)", s)
}

func wakeWhy(w event.WakeWhy) string {
	switch w {
	case event.WakeReset:
		return "the named end has come"
	case event.WakeLook:
		return "nothing names an end, and it is time to look"
	case event.WakePerson:
		return "a person asked for it"
	case event.WakeCredential:
		return "its credential file has changed"
	case event.WakeBudget:
		return "its budget is renewed"
	}
	return string(w)
}
