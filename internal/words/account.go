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
	case event.AccountHeld:
		return fmt.Sprintf("its account %s rests%s: %s", p.Account, End(p.Until), Cause(p.Cause)), true
	case event.AccountReleased:
		return "its account no longer rests", true
	}
	return "", false
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
	}
	return string(w)
}
