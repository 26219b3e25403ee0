package fleet

import (
	"muster/internal/event"
	"muster/internal/life"
)

// accounts returns the accounts of the fleet with their settings.
func (d *decision) accounts() (map[event.AccountID]life.AccountState, error) {
	all, err := d.tx.Accounts()
	if err != nil {
		return nil, err
	}
	out := map[event.AccountID]life.AccountState{}
	for _, a := range all {
		out[a.ID] = life.AccountState{Account: a, Spread: life.DefaultSpread}
	}
	for _, s := range d.s.cfg.Accounts {
		state := out[s.Name]
		state.ID, state.MaxAgents, state.Spread, state.PreferBelow, state.Allowance = s.Name, s.MaxAgents, s.Spread, s.PreferBelow, s.Allowance
		out[s.Name] = state
	}
	return out, nil
}

// account calls life for one account, writes its events, and tells its tasks what follows for them.
func (d *decision) account(id event.AccountID, in life.Input) error {
	a, _, err := d.tx.Account(id)
	if err != nil {
		return err
	}
	var recalled []event.TaskID
	changed := false
	for _, e := range life.DecideAccount(a, in, d.now) {
		if _, err := d.tx.AppendTo(e.Subject, e.Gen, e.Data); err != nil {
			return err
		}
		d.wrote, d.moved = true, true
		switch e.Data.(type) {
		case event.AccountProbing:
			recalled, changed = a.Parked, true
		case event.AccountRested, event.AccountUntil, event.AccountWoke:
			changed = true
		case event.AccountSpent:
			changed = changed || a.Resting()
		default: // it concerns the account alone, or Schedule
		}
	}
	if !changed {
		return nil
	}
	return d.tellTasks(id, recalled)
}

// tellTasks tells the tasks of an account that it rests, or no longer rests. Those that wait for it, and those in
// recalled, which it has parked, wait for their turn if it is tried again.
func (d *decision) tellTasks(id event.AccountID, recalled []event.TaskID) error {
	a, _, err := d.tx.Account(id)
	if err != nil {
		return err
	}
	var held []event.TaskID
	for t := range d.tx.EachLive() {
		if t.Account() != id && id != event.NightBudget {
			continue
		}
		in, err := d.holdOf(*t)
		switch {
		case err != nil:
			return err
		case a.Phase == life.PhaseProbing:
			recalled = append(recalled[:len(recalled):len(recalled)], t.ID)
		case in != nil:
			held = append(held, t.ID)
		}
	}
	if a.Phase == life.PhaseProbing {
		return d.each(recalled, life.Recall{})
	}
	for _, task := range held {
		if err := d.holdIfNeeded(task); err != nil {
			return err
		}
	}
	return nil
}

// holdIfNeeded tells a task the state of its account if that has changed for it.
func (d *decision) holdIfNeeded(id event.TaskID) error {
	t, ok, err := d.tx.Task(id)
	if err != nil || !ok {
		return err
	}
	in, err := d.holdOf(t)
	if err != nil || in == nil {
		return err
	}
	return d.decide(id, in)
}

// holdOf returns what a task must be told about its account and about the night's budget; nil if it is nothing.
func (d *decision) holdOf(t life.Task) (life.Input, error) {
	night, _, err := d.tx.Account(event.NightBudget)
	if err != nil {
		return nil, err
	}
	a := life.Account{}
	if id := t.Account(); id != "" {
		if a, _, err = d.tx.Account(id); err != nil {
			return nil, err
		}
	}
	return life.HoldOf(t, a, night), nil
}

// tellAccount tells the account of a task what a decision about the task means for it, and the task what its account means
// for it. before is the task before the decision.
func (d *decision) tellAccount(before life.Task, in life.Input, events []event.Event) error {
	id := before.Account()
	if id != "" {
		a, _, err := d.tx.Account(id)
		if err != nil {
			return err
		}
		for _, in := range life.AccountInputs(before, in, events, a.ProbedAt) {
			if limit, ok := in.(life.AccountLimited); ok && limit.Cause.Endless() {
				limit.Credential = d.s.cfg.Launcher.Credential(before)
				in = limit
			}
			if err := d.account(id, in); err != nil {
				return err
			}
		}
	}
	if len(events) == 0 {
		return nil
	}
	if used := life.UsedBy(before, events); used != (event.Usage{}) {
		for _, account := range []event.AccountID{id, event.NightBudget} {
			if err := d.spend(account, before.ID, used); err != nil {
				return err
			}
		}
	}
	return d.holdIfNeeded(before.ID)
}

// lookAtCredentials tries the accounts again whose credential file has changed since their login did not work. It is called
// when the whole fleet is looked at.
func (d *decision) lookAtCredentials() error {
	if d.s.nextLook(d.mono) != 0 {
		return nil
	}
	all, err := d.tx.Accounts()
	if err != nil {
		return err
	}
	for _, a := range all {
		if !a.Resting() || !a.Cause.Endless() {
			continue
		}
		t, ok, err := d.tx.Task(a.By)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if now := d.s.cfg.Launcher.Credential(t); now != "" && now != a.Credential {
			if err := d.account(a.ID, life.AccountWake{Why: event.WakeCredential}); err != nil {
				return err
			}
		}
	}
	return nil
}

// spend counts what a task has used against the budget of its account, or of the night.
func (d *decision) spend(id event.AccountID, by event.TaskID, used event.Usage) error {
	if id == "" {
		return nil
	}
	return d.account(id, life.AccountSpend{Task: by, Usage: used, Allowance: d.s.allowance(id)})
}

// allowance returns the budget of an account, or of the night.
func (s *Supervisor) allowance(id event.AccountID) life.Allowance {
	if id == event.NightBudget {
		return s.cfg.Night
	}
	for _, a := range s.cfg.Accounts {
		if a.Name == id {
			return a.Allowance
		}
	}
	return life.Allowance{}
}

// lookAtBudgets decides about the shared budgets before something is started: a night may be over, and the
// configuration may be another one since the supervisor was started.
func (d *decision) lookAtBudgets() error {
	all, err := d.tx.Accounts()
	if err != nil {
		return err
	}
	for _, a := range all {
		if err := d.spend(a.ID, "", event.Usage{}); err != nil {
			return err
		}
	}
	return nil
}
