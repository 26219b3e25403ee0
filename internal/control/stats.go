package control

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/store"
)

// Stats asks for figures about the tasks that have ended in some time, in groups.
type Stats struct {
	Since, Until time.Time // zero: no bound
	// By is how tasks are grouped: repo, agent, model or week; "" is by all of these.
	By string
}

// StatsBy are the values of Stats.By except "".
var StatsBy = []string{"repo", "agent", "model", "week"}

// StatsRow has the figures of one group. What it does not group by is "".
type StatsRow struct {
	Repo  string `json:"repo,omitempty"`
	Agent string `json:"agent,omitempty"`
	Model string `json:"model,omitempty"` // of the newest answer; "unknown" if no agent named it
	Week  string `json:"week,omitempty"`  // in which the tasks ended, ISO 8601: 2026-W48
	// Since and Until are those that were asked for; absent if there was no such bound.
	Since *time.Time `json:"since,omitempty"`
	Until *time.Time `json:"until,omitempty"`

	Tasks         int     `json:"tasks"` // that have ended
	Done          int     `json:"done"`
	Failed        int     `json:"failed"`
	Cancelled     int     `json:"cancelled"`
	Rounds        int     `json:"rounds"` // of checks, with a verdict
	Attempts      int     `json:"attempts"`
	Interventions int     `json:"interventions"` // answers, messages, interrupts and retries by persons
	Tokens        int64   `json:"tokens"`        // those that count for a budget
	CostUSD       float64 `json:"cost_usd"`
	// What all tasks of the group used, for each that was done; null if none was.
	TokensPerDone *int64   `json:"tokens_per_done"`
	CostPerDone   *float64 `json:"cost_usd_per_done"`
	Unpriced      []string `json:"unpriced,omitempty"` // models whose cost is not in cost_usd
}

func (q Stats) get(ctx context.Context, _ *Control, db *store.Store) ([]StatsRow, error) {
	if q.By != "" && !slices.Contains(StatsBy, q.By) {
		return nil, fault.New(fault.Usage, "figures cannot be grouped by %q", q.By).WithHint("Use one of %s.", strings.Join(StatsBy, ", "))
	}
	tasks, err := db.Ended(ctx, q.Since)
	if err != nil {
		return nil, err
	}
	groups := map[[4]string]*StatsRow{}
	for _, t := range tasks {
		if t.Reviews != "" {
			continue // what it used is part of the task whose work it reviewed
		}
		if !q.Until.IsZero() && isAfter(t.FinishedAt, q.Until) {
			continue
		}
		key := q.key(t)
		row := groups[key]
		if row == nil {
			row = &StatsRow{Repo: key[0], Agent: key[1], Model: key[2], Week: key[3], Since: orNone(q.Since), Until: orNone(q.Until)}
			groups[key] = row
		}
		row.add(t)
	}
	out := make([]StatsRow, 0, len(groups))
	for _, key := range slices.SortedFunc(maps.Keys(groups), func(a, b [4]string) int { return slices.Compare(a[:], b[:]) }) {
		groups[key].share()
		out = append(out, *groups[key])
	}
	return out, nil
}

// orNone returns nil for the zero time.
func orNone(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// key returns the group of a task, in the order of StatsBy.
func (q Stats) key(t store.EndedTask) (key [4]string) {
	model := t.Usage.Model
	if model == "" {
		model = "unknown"
	}
	year, week := t.FinishedAt.Local().ISOWeek()
	for i, value := range [4]string{t.Repo, t.Agent, model, fmt.Sprintf("%d-W%02d", year, week)} {
		if q.By == "" || q.By == StatsBy[i] {
			key[i] = value
		}
	}
	return key
}

func (r *StatsRow) add(t store.EndedTask) {
	r.Tasks++
	switch t.State {
	case event.Done:
		r.Done++
	case event.Failed:
		r.Failed++
	case event.Cancelled:
		r.Cancelled++
	default: // none that has ended
	}
	r.Rounds += t.Rounds
	r.Attempts += t.Attempt
	r.Interventions += t.Interventions
	r.Tokens += t.Usage.Tokens
	r.CostUSD += t.Usage.CostUSD
	for _, model := range strings.Fields(t.Usage.Unpriced) {
		if i, known := slices.BinarySearch(r.Unpriced, model); !known {
			r.Unpriced = slices.Insert(r.Unpriced, i, model)
		}
	}
}

// share computes what a task that was done took.
func (r *StatsRow) share() {
	if r.Done == 0 {
		return
	}
	tokens, usd := r.Tokens/int64(r.Done), r.CostUSD/float64(r.Done)
	r.TokensPerDone, r.CostPerDone = &tokens, &usd
}
