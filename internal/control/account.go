package control

import (
	"context"
	"slices"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/life"
	"muster/internal/store"
)

// AccountStatus is the state of an account: one object of `muster accounts --json`.
type AccountStatus struct {
	Name    event.AccountID     `json:"name"`
	Agent   string              `json:"agent"`
	State   string              `json:"state"` // free, resting, auth, billing or budget
	Until   *time.Time          `json:"until"` // null if the account is free, or if its rest has no end of its own
	Cause   event.RestCause     `json:"cause"` // "" if it is free
	Running int                 `json:"running"`
	Limited int                 `json:"limited"`
	Windows []event.LimitWindow `json:"windows"`
	// Phase tells how far its incident has come; "" if it is free.
	Phase life.Phase `json:"phase"`
}

// The states of an account without a cause of its own.
const (
	accountFree    = "free"
	accountResting = "resting"
)

// Accounts asks for the accounts: the configured ones in the order of preference, then the implied ones that were used.
type Accounts struct{}

func (Accounts) get(ctx context.Context, c *Control, db *store.Store) ([]AccountStatus, error) {
	f, err := c.fleet()
	if err != nil {
		return nil, err
	}
	all := []AccountStatus{}
	add := func(name event.AccountID, agent string) *AccountStatus {
		i := slices.IndexFunc(all, func(a AccountStatus) bool { return a.Name == name })
		if i < 0 {
			i = len(all)
			all = append(all, AccountStatus{Name: name, Agent: agent, State: accountFree, Windows: []event.LimitWindow{}})
		}
		return &all[i]
	}
	for _, a := range f.Config.Accounts {
		add(event.AccountID(a.Name), a.Agent)
	}
	folds, err := db.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range folds {
		describe(add(a.ID, string(a.ID)), a)
	}
	live, err := db.List(ctx, store.ListFilter{States: inUse})
	if err != nil {
		return nil, err
	}
	for _, t := range live {
		if t.Account == "" {
			continue
		}
		a := add(t.Account, t.Agent)
		if t.State == event.Limited {
			a.Limited++
		} else {
			a.Running++
		}
	}
	return all, nil
}

// inUse lists the states in which a task uses its account.
var inUse = []event.State{
	event.Preparing, event.Starting, event.Working, event.Waiting, event.Stalled, event.Limited, event.Checking, event.Publishing,
}

// describe adds the fold of an account.
func describe(s *AccountStatus, a life.Account) {
	if a.Windows != nil {
		s.Windows = a.Windows
	}
	s.Phase = a.Phase
	if a.Free() {
		return
	}
	s.Cause = a.RestCause()
	s.State = accountResting
	switch s.Cause {
	case event.RestAuth, event.RestBilling, event.RestBudget:
		s.State = string(s.Cause)
	case event.RestLimit, event.RestOverloaded, event.RestPerson:
	}
	if !a.Until.IsZero() {
		until := a.Until.UTC()
		s.Until = &until
	}
}

// WakeAccount tries an account again now.
type WakeAccount struct{ Name event.AccountID }

func (c WakeAccount) do(ctx context.Context, of *Control) (Outcome, error) {
	return of.onAccount(ctx, c.Name, func(a life.Account) (event.Payload, error) {
		if !a.Resting() {
			return nil, fault.New(fault.Conflict, "account %s does not rest", c.Name).WithHint("See the accounts: muster accounts")
		}
		return event.WakeRequested{}, nil
	})
}

// RestAccount lets an account rest: nothing is started on it, and its agents get nothing.
type RestAccount struct {
	Name  event.AccountID
	Until time.Time // zero: until somebody wakes it
}

func (c RestAccount) do(ctx context.Context, of *Control) (Outcome, error) {
	if !c.Until.IsZero() && !c.Until.After(of.caller.Now()) {
		return Outcome{}, fault.New(fault.Usage, "%s is over already", c.Until.UTC().Format(time.RFC3339)).WithHint("Name a time to come, or none.")
	}
	return of.onAccount(ctx, c.Name, func(life.Account) (event.Payload, error) {
		return event.RestRequested{Until: c.Until.UTC()}, nil
	})
}

// onAccount appends a request about an account that is configured, or that was used.
func (c *Control) onAccount(ctx context.Context, name event.AccountID, request func(life.Account) (event.Payload, error)) (Outcome, error) {
	all, err := Get(ctx, c, Accounts{})
	if err != nil {
		return Outcome{}, err
	}
	var names []string
	for _, a := range all {
		names = append(names, string(a.Name))
	}
	f, err := c.fleet()
	if err != nil {
		return Outcome{}, err
	}
	if _, err := f.Config.Agent(string(name)); err != nil && !slices.Contains(names, string(name)) {
		hint := "No account was used yet, and none is configured."
		if len(names) > 0 {
			hint = "The accounts are " + strings.Join(names, ", ") + "."
		}
		return Outcome{}, fault.New(fault.NotFound, "there is no account %q", name).WithHint("%s", hint)
	}
	out, err := c.ask(ctx, func(tx *store.Tx) (Outcome, error) {
		a, _, err := tx.Account(name)
		if err != nil {
			return Outcome{}, err
		}
		p, err := request(a)
		if err != nil {
			return Outcome{}, err
		}
		_, err = tx.AppendTo(event.OfAccount(name), 0, p)
		return Outcome{}, err
	})
	if err != nil || out.Down {
		return out, err
	}
	return out, c.awaitAccount(ctx, name, out.Seq)
}

// awaitAccount waits until the supervisor has decided about a request for an account.
func (c *Control) awaitAccount(ctx context.Context, name event.AccountID, seq int64) error {
	c.caller.Tell("waiting for the supervisor to take up the request for account %s", name)
	limited, cancel := context.WithTimeout(ctx, takenUpLimit)
	defer cancel()
	for e, err := range c.Watch(limited, seq, "") {
		if err != nil {
			return err
		}
		if e.Account == name {
			return nil
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fault.Wrap(fault.Timeout, limited.Err(), "the request for account %s is in the log, but the supervisor has not processed it yet", name).
		WithHint("`muster status` tells whether the supervisor is well.")
}
