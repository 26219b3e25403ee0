package control

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"muster/internal/config"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/life"
	"muster/internal/store"
	"muster/internal/words"
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
	// Spent is what was used of its budget; null if it has none.
	Spent *AccountSpent `json:"spent"`
}

// AccountSpent is what was used of a budget of an account, or of the night, and its limits.
type AccountSpent struct {
	CostUSD float64          `json:"cost_usd"`
	Tokens  int64            `json:"tokens"`
	Since   *time.Time       `json:"since"` // null if nothing was used in this night
	Until   *time.Time       `json:"until"` // when the budget is renewed
	Level   event.SpendLevel `json:"level"` // soft: no task is begun. spent: nothing is started or sent
	// Limits are those of the configuration.
	Limits struct {
		CostUSD float64 `json:"cost_usd,omitempty"`
		Tokens  int64   `json:"tokens,omitempty"`
		Soft    float64 `json:"soft"`
		Hard    bool    `json:"hard"`
	} `json:"limits"`
	Unpriced string `json:"unpriced,omitempty"` // models whose cost is not in cost_usd
}

// Text describes what was used; "" for nil.
func (s *AccountSpent) Text() string {
	if s == nil {
		return ""
	}
	var parts []string
	if s.Limits.CostUSD > 0 || s.Limits.Tokens == 0 {
		parts = append(parts, fmt.Sprintf("$%.2f of $%.2f", s.CostUSD, s.Limits.CostUSD))
	}
	if s.Limits.Tokens > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d tokens", s.Tokens, s.Limits.Tokens))
	}
	if s.Unpriced != "" {
		parts = append(parts, "without the price of "+s.Unpriced)
	}
	return strings.Join(parts, ", ")
}

// BudgetText describes the budget of an account that has one, what it stops, and when it is renewed.
func (s AccountStatus) BudgetText(now time.Time) string {
	name := "of " + string(s.Name)
	if s.Name == event.NightBudget {
		name = "of the night"
	}
	text := name + ": " + s.Spent.Text()
	switch s.Spent.Level {
	case event.SpendFree:
	case event.SpendSoft:
		text += "; no task is begun until it is renewed"
	case event.SpendSpent:
		text += "; it is SPENT: muster accounts wake " + string(s.Name) + " grants it once more"
	}
	if s.Spent.Until != nil {
		text += fmt.Sprintf("; it is renewed at %s (%s)", s.Spent.Until.Local().Format(time.DateTime), words.Until(*s.Spent.Until, now))
	}
	return text
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
	if f.Config.Budget.Night.Limited() {
		add(event.NightBudget, "")
	}
	for i := range all {
		tally(&all[i], life.Spent{}, budgetOf(f.Config, all[i].Name), c.caller.Now())
	}
	folds, err := db.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range folds {
		describe(add(a.ID, agentOf(a.ID)), a)
		tally(add(a.ID, ""), a.Spent, budgetOf(f.Config, a.ID), c.caller.Now())
	}
	live, err := db.Overview(ctx, 0) // its cost does not depend on how many tasks are queued
	if err != nil {
		return nil, err
	}
	for _, t := range live.Tasks {
		if t.Account == "" || !slices.Contains(inUse, t.State) {
			continue
		}
		add(t.Account, t.Agent).count(t.State)
		if i := slices.IndexFunc(all, func(a AccountStatus) bool { return a.Name == event.NightBudget }); i >= 0 {
			all[i].count(t.State)
		}
	}
	return all, nil
}

// count counts a task that uses the account.
func (s *AccountStatus) count(state event.State) {
	if state == event.Limited {
		s.Limited++
	} else {
		s.Running++
	}
}

// agentOf returns the agent whose implied account this is; "" for the night's budget.
func agentOf(id event.AccountID) string {
	if id == event.NightBudget {
		return ""
	}
	return string(id)
}

// budgetOf returns the budget of an account, or of the night.
func budgetOf(c config.Config, id event.AccountID) event.SharedBudget {
	if id == event.NightBudget {
		return c.Budget.Night.SharedBudget
	}
	for _, a := range c.Accounts {
		if a.Name == string(id) {
			return a.Budget
		}
	}
	return event.SharedBudget{}
}

// tally adds what was used of a budget. What was used in a night that is over does not count.
func tally(s *AccountStatus, was life.Spent, b event.SharedBudget, now time.Time) {
	if !b.Limited() && was.Level == event.SpendFree {
		return
	}
	if s.Spent == nil {
		s.Spent = &AccountSpent{}
	}
	s.Spent.Limits.CostUSD, s.Spent.Limits.Tokens, s.Spent.Limits.Soft, s.Spent.Limits.Hard = b.CostUSD, b.Tokens, b.Soft, b.Hard
	if !was.Until.After(now) {
		return
	}
	used := was.Counted()
	s.Spent.CostUSD, s.Spent.Tokens, s.Spent.Unpriced, s.Spent.Level = used.CostUSD, used.Tokens(), was.Usage.Unpriced, was.Level
	since, until := was.Since.UTC(), was.Until.UTC()
	s.Spent.Since, s.Spent.Until = &since, &until
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
		if !a.Resting() && a.Spent.Level == event.SpendFree {
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
	if _, err := f.Config.Agent(string(name)); err != nil && name != event.NightBudget && !slices.Contains(names, string(name)) {
		hint := "No account was used yet, and none is configured."
		if len(names) > 0 {
			hint = "The accounts are " + strings.Join(names, ", ") + "."
		}
		return Outcome{}, fault.New(fault.NotFound, "there is no account %q", name).WithHint("%s", hint)
	}
	out, err := c.ask(ctx, func(tx *store.Tx, _ event.Front) (Outcome, error) {
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
