package life

import (
	"slices"
	"time"

	"muster/internal/event"
)

// AccountState is an account with its settings, for Schedule.
type AccountState struct {
	Account
	MaxAgents   int           // agents that may run on it at once; 0 is no limit
	Spread      time.Duration // the pause between two agents that are woken
	PreferBelow int           // percent of a usage limit; above it new work goes elsewhere if it can. 0 is no preference
	Allowance   Allowance     // its budget; without a limit it has none
}

// DefaultSpread is the pause between two agents of an account without settings.
const DefaultSpread = 10 * time.Second

// Places decides which of the tasks in line may get a slot, as far as their accounts are concerned. Tasks are added in the
// order of their ids before the first one is admitted.
type Places struct {
	now   time.Time
	known map[event.AccountID]AccountState
	uses  map[event.AccountID]*accountUse
}

// accountUse is what the tasks of an account do.
type accountUse struct {
	AccountState
	running int   // tasks with a slot
	probed  bool  // the agent that tries it runs
	spread  bool  // an agent was woken less than the pause ago
	waiting int   // limited tasks that it holds
	first   *Task // of those in line that are limited, the one that has waited longest
}

// NewPlaces returns a Places of a fleet's accounts. An account that is not known is free and has no settings.
func NewPlaces(known map[event.AccountID]AccountState, now time.Time) *Places {
	return &Places{now: now, known: known, uses: map[event.AccountID]*accountUse{}}
}

func (p *Places) use(id event.AccountID) *accountUse {
	u := p.uses[id]
	if u == nil {
		state, ok := p.known[id]
		if !ok {
			state = AccountState{Account: Account{ID: id}, Spread: DefaultSpread}
		}
		d, set := deadline(state.Deadlines, event.DeadlineSpread)
		u = &accountUse{AccountState: state, spread: set && d.At.After(p.now)}
		p.uses[id] = u
	}
	return u
}

// Add adds a task that holds a slot or is limited. Others make no difference.
func (p *Places) Add(t *Task) {
	if !t.Slot && t.State != event.Limited {
		return
	}
	u := p.use(t.Account())
	if t.Slot {
		if !t.SharesSlot() {
			u.running++
		}
		u.probed = u.probed || u.Probe == t.ID
	}
	if t.State != event.Limited || t.Stopping {
		return
	}
	if t.Held != nil {
		u.waiting++
	}
	if t.InLine() && (u.first == nil || t.ChangedAt.Before(u.first.ChangedAt)) {
		u.first = t
	}
}

// Admit returns the account on which a task may get a slot now; false if it must wait, also for the night's budget.
func (p *Places) Admit(t *Task) (event.AccountID, bool) {
	if t.triesWithoutAgent() {
		return t.Account(), true
	}
	if night := p.known[event.NightBudget]; night.Resting() || night.keepsFrom(t) {
		return "", false
	}
	choices := t.choices()
	var full event.AccountID
	fallback := false
	for _, id := range choices {
		u := p.use(id)
		if !u.admits(t) {
			continue
		}
		if len(choices) == 1 || u.PreferBelow == 0 || u.used(p.now) < float64(u.PreferBelow) {
			return id, true
		}
		if !fallback {
			full, fallback = id, true
		}
	}
	return full, fallback
}

// admits reports whether an agent may be started or woken on the account now.
func (u *accountUse) admits(t *Task) bool {
	if u.Resting() || u.keepsFrom(t) || u.MaxAgents > 0 && u.running >= u.MaxAgents && !t.SharesSlot() {
		return false
	}
	switch u.Phase {
	case PhaseProbing:
		return !u.probed && (u.first == nil || u.first.ID == t.ID)
	case PhaseWaking:
		return !u.spread && (u.first == nil || u.first.ID == t.ID)
	case PhaseResting:
		return false
	}
	return true
}

// keepsFrom reports whether so much of the account's budget is used that the task must not be begun. A review is part of a
// task that has begun.
func (a AccountState) keepsFrom(t *Task) bool {
	return t.Gen == 0 && !t.SharesSlot() && a.Spent.Level != event.SpendFree
}

// used returns how much of the fullest window is used, in percent. A window that was reset counts as empty.
func (u *accountUse) used(now time.Time) (most float64) {
	for _, w := range u.Windows {
		if w.ResetsAt.IsZero() || w.ResetsAt.After(now) {
			most = max(most, w.UsedPercent)
		}
	}
	return most
}

// Take gives a task that was admitted its place on the account, and returns the events of the account.
func (p *Places) Take(t *Task, id event.AccountID) []event.Payload {
	u := p.use(id)
	if !t.SharesSlot() {
		u.running++
	}
	switch u.Phase {
	case PhaseProbing:
		if u.probed { // what starts no agent tries nothing
			return nil
		}
		u.probed = true
		return []event.Payload{event.AccountProbed{Task: t.ID}}
	case PhaseWaking:
		if u.spread {
			return nil
		}
		u.spread = true
		return []event.Payload{event.DeadlineSet{Name: event.DeadlineSpread, At: p.now.Add(u.Spread)}}
	case PhaseResting:
	}
	return nil
}

// over returns the accounts whose incident is over: all agents that it had stopped were woken. The tasks of Add must
// include every limited one.
func (p *Places) over() (out []event.AccountID) {
	for id, a := range p.known {
		if a.Phase == PhaseWaking && p.use(id).waiting == 0 {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}
