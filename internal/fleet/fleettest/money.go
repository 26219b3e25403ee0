package fleettest

import (
	"time"

	"muster/internal/event"
	"muster/internal/fleet"
	"muster/internal/life"
)

// endow gives a world with faults its accounts and budgets. A third of the worlds has only the implied account of the
// agent.
func (w *World) endow() {
	l := w.Luck
	if l.scale == 0 {
		return
	}
	w.pays = true
	if n := l.One("accounts", "", 3); n > 0 {
		for _, name := range []event.AccountID{"a", "b", "c"}[:n+1] {
			who := string(name)
			s := fleet.AccountSettings{Name: name, MaxAgents: l.One("agents of an account", who, 6), Spread: 10 * time.Second, PreferBelow: 90}
			if l.One("an account has a budget", who, 2) == 0 {
				s.Allowance = w.allowance(who, 20)
			}
			w.accounts = append(w.accounts, s)
		}
	}
	if l.One("the night has a budget", "", 2) == 0 {
		w.nightly = w.allowance("night", 60)
	}
}

// allowance returns a budget of between least and six times as many USD.
func (w *World) allowance(who string, least int) life.Allowance {
	l := w.Luck
	return life.Allowance{
		SharedBudget: event.SharedBudget{
			CostUSD: float64(least + l.One("a shared budget", who, 5*least)), Soft: []float64{0.5, 0.8, 1}[l.One("soft", who, 3)], Hard: l.One("hard", who, 2) == 0,
		},
		Dusk: time.Duration(l.One("dusk", who, 24)) * time.Hour,
	}
}

// means returns the accounts that a task may use, and its budget.
func (w *World) means(who string) (accounts []event.TaskAccount, b event.Budget) {
	if !w.pays {
		return nil, b
	}
	first := w.Luck.One("first account", who, max(1, len(w.accounts)))
	for i := range w.accounts {
		accounts = append(accounts, event.TaskAccount{Name: w.accounts[(first+i)%len(w.accounts)].Name})
	}
	if w.Luck.One("a task has a budget", who, 4) == 0 {
		b = event.Budget{CostUSD: float64(1 + w.Luck.One("its budget", who, 4)), Soft: 0.5}
	}
	return accounts, b
}

// spends reports what a turn has used, and how much of the account's limits. The caller holds mu.
func (w *World) spends(p *proc) {
	if !w.pays {
		return
	}
	r := event.Record{State: event.RecordWorking, Tool: "Bash", Usage: w.uses(p, 0.1*float64(1+w.Luck.One("a turn's cost", p.who, 12)))}
	if w.Luck.One("the service names its limits", p.who, 3) == 0 {
		r.Limits = []event.LimitWindow{{Name: "five_hour", UsedPercent: float64(w.Luck.One("percent", p.who, 101)), ResetsAt: w.now().Add(w.Luck.Span("a window", p.who, 5*time.Hour))}}
	}
	w.says(p, r)
}

// uses adds what an agent has used, and returns the sum as it reports it; nil for nothing. The caller holds mu.
func (w *World) uses(p *proc, usd float64) *event.Usage {
	if usd == 0 {
		return nil
	}
	u := &w.work(p.task).used
	u.CostUSD += usd
	u.Turns++
	sum := *u
	return &sum
}
