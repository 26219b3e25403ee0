package control

import (
	"context"
	"fmt"
	"slices"
	"time"

	"muster/internal/event"
	"muster/internal/life"
	"muster/internal/report"
	"muster/internal/store"
	"muster/internal/words"
)

// Report asks what happened in the fleet since a time.
type Report struct {
	Since time.Time
	// Until is the end of the time; zero is now. What has not ended is reported as it is now.
	Until time.Time
	quick bool // without what git has to be asked for
}

// mostSized is the number of tasks whose changes a report counts. It needs a few calls of git for each.
const mostSized = 200

func (q Report) get(ctx context.Context, c *Control, db *store.Store) (report.Report, error) {
	status, err := Status{}.get(ctx, c, db)
	if err != nil {
		return report.Report{}, err
	}
	f, err := c.fleet()
	if err != nil {
		return report.Report{}, err
	}
	from, err := db.SeqAt(ctx, q.Since)
	if err != nil {
		return report.Report{}, err
	}
	now := f.Now()
	until := now
	if !q.Until.IsZero() {
		until = q.Until.In(now.Location())
	}
	night := report.Night{Until: q.Until}
	for e, err := range db.Events(ctx, store.EventFilter{After: from, Kinds: report.Kinds()}) {
		if err != nil {
			return report.Report{}, err
		}
		night.Add(e)
	}
	tasks, err := q.tasks(ctx, c, db)
	if err != nil {
		return report.Report{}, err
	}
	return night.Report(report.World{
		Since: q.Since.In(now.Location()), Until: until, Slots: status.Slots, Used: status.SlotsUsed, Counts: status.Tasks, Gate: status.Gate,
		Running: status.Supervisor.Running, Trouble: trouble(status), Budgets: budgets(status, now), Merges: merges(status),
	}, tasks), nil
}

// budgets returns the budgets that many tasks share.
func budgets(s FleetStatus, now time.Time) (out []report.Budget) {
	for _, a := range s.Budgets {
		out = append(out, report.Budget{Name: a.Name, CostUSD: a.Spent.CostUSD, Tokens: a.Spent.Tokens, Level: a.Spent.Level, Text: a.BudgetText(now)})
	}
	return out
}

// merges returns the merge queues that wait for something but their turn.
func merges(s FleetStatus) (out []report.Merge) {
	for _, q := range s.Merging {
		if q.Waits != "" {
			out = append(out, report.Merge{Branch: q.Branch, GitDir: q.GitDir, Waits: q.Waits, Why: q.Why, Since: q.Since, Tasks: q.Tasks})
		}
	}
	return out
}

// trouble says what is wrong with the fleet itself.
func trouble(s FleetStatus) []string {
	var out []string
	waits := s.Tasks[event.Queued]+s.Tasks[event.Blocked] > 0
	switch {
	case s.Supervisor.Running && s.Supervisor.Stuck:
		out = append(out, "the supervisor makes no progress: muster status")
	case s.Hung > 0:
		out = append(out, words.Count(s.Hung, "act")+" of the supervisor hang: muster status")
	case s.Down && (s.Live > 0 || waits):
		out = append(out, "the fleet is down, as it was told, and tasks wait for it: muster up")
	case !s.Supervisor.Running && s.Live > 0:
		out = append(out, "no supervisor runs, and "+words.Count(s.Live, "live task")+" are unattended: muster up")
	}
	if s.Gate != "" && waits {
		out = append(out, "nothing new starts: "+s.Gate)
	}
	if r := s.RolledBack; r.To != "" {
		out = append(out, fmt.Sprintf("the upgrade to %s was rolled back: %s", r.To, r.Why))
	}
	return out
}

// tasks returns the tasks of a report in the order in which a person looks at them.
func (q Report) tasks(ctx context.Context, c *Control, db *store.Store) ([]report.Task, error) {
	all, err := db.List(ctx, store.ListFilter{All: true, States: reported()})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b Summary) int { return words.Compare(&a, &b) })
	var out []report.Task
	for _, s := range all {
		if s.Reviews != "" {
			continue // it is part of the task whose work it reviews
		}
		if s.State.Final() && (s.FinishedAt == nil || s.FinishedAt.Before(q.Since)) {
			continue
		}
		if !q.Until.IsZero() && (isAfter(s.FinishedAt, q.Until) || isAfter(s.QueuedAt, q.Until)) {
			continue
		}
		t, err := db.Task(ctx, s.ID)
		if err != nil {
			return nil, err
		}
		rounds, err := db.Rounds(ctx, s.ID)
		if err != nil {
			return nil, err
		}
		task := reportTask(s, t, rounds)
		if !q.quick && len(out) < mostSized {
			c.size(ctx, &task, t, rounds)
		}
		out = append(out, task)
	}
	return out, nil
}

// isAfter reports whether something happened after a time.
func isAfter(at *time.Time, t time.Time) bool { return at != nil && at.After(t) }

// reported returns the states of the tasks that a report lists: all but those that wait for their turn, of which there may be very
// many.
func reported() []event.State {
	return slices.DeleteFunc(event.States(), func(s event.State) bool { return words.GroupOf(s) == words.QueuedGroup })
}

// reportTask returns what the log says about a task.
func reportTask(s store.Summary, t life.Task, rounds []store.RoundRow) report.Task {
	r := report.Task{
		ID: t.ID, Name: s.Name, Group: words.GroupOf(t.State), State: t.State, Reason: t.Reason, Detail: t.Detail, Repo: s.Repo, Agent: s.Agent,
		Branch: s.Branch, Commit: s.Published, URL: s.PRURL, Unchecked: len(t.Spec.Checks)+len(t.Spec.Reviews) == 0, Configures: []string{},
		Rounds: s.Rounds, Attempt: s.Attempt, Gen: s.Gen,
		Usage:     report.Usage{InputTokens: s.Usage.InputTokens, OutputTokens: s.Usage.OutputTokens, CostUSD: s.Usage.CostUSD},
		StartedAt: s.StartedAt, ChangedAt: s.ChangedAt, FinishedAt: s.FinishedAt, Next: []string{}, When: []string{},
	}
	if t.Request != nil {
		r.Detail = words.Request(*t.Request)
	}
	if n := len(rounds); n > 0 {
		last := rounds[n-1].RoundFinished
		r.Checks = words.Round(last)
		if len(last.Results) > 0 {
			r.Fence = words.VerdictFence(t.Spec.Fence, last.Fence)
		}
	}
	steps := words.NextSteps(t)
	if len(steps) == 0 && r.Group == words.NeedsYouGroup {
		steps = []words.Step{{Verb: "why", Task: t.ID}}
	}
	for _, step := range steps {
		r.Next, r.When = append(r.Next, step.Command()), append(r.When, step.When)
	}
	return r
}

// size adds the size of a task's recorded work, and what of it decides what runs later. What git cannot read stays unknown.
func (c *Control) size(ctx context.Context, r *report.Task, t life.Task, rounds []store.RoundRow) {
	tree := recordedTree(t, rounds)
	if tree == "" {
		return
	}
	repo, err := c.repository(ctx, t)
	if err != nil {
		return
	}
	files, err := repo.ChangedLines(ctx, t.Base, tree)
	if err != nil {
		return
	}
	r.Size = &report.Size{Files: len(files)}
	paths := make([]string, len(files))
	for i, f := range files {
		paths[i] = f.Path
		r.Size.Added += f.Added
		r.Size.Removed += f.Removed
	}
	for _, found := range configures(paths, t.Spec.Checks) {
		r.Configures = append(r.Configures, found.Path)
	}
}
