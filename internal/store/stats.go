package store

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"muster/internal/event"
)

// EndedTask is a task that has ended, with how often a person had to act for it.
type EndedTask struct {
	Summary
	Interventions int
}

// interventions are the kinds of events by which a person acts for a task that would not go on alone.
var interventions = []event.Kind{
	event.AnswerRequested{}.Kind(), event.SendRequested{}.Kind(), event.RetryRequested{}.Kind(), event.InterruptRequested{}.Kind(),
}

// Ended returns the tasks that have ended since a time, oldest first, with those that were removed.
func (s *Store) Ended(ctx context.Context, since time.Time) ([]EndedTask, error) {
	rows, err := s.readers.QueryContext(ctx, "SELECT summary FROM tasks WHERE finished_at > 0 AND finished_at >= ? ORDER BY num", nanos(since))
	summaries, err := collect(s, "read ended tasks", rows, err, scanSummary)
	if err != nil || len(summaries) == 0 {
		return nil, err
	}
	args := make([]any, len(interventions))
	for i, kind := range interventions {
		args[i] = string(kind)
	}
	// The index of the log is by task; a scan of it all is the price of not keeping another.
	rows, err = s.readers.QueryContext(ctx, "SELECT task, count(*) FROM events WHERE kind IN (?"+strings.Repeat(", ?", len(args)-1)+") GROUP BY task", args...) //nolint:gosec // the condition is a constant; values are arguments
	counts, err := collect(s, "count requests", rows, err, scanCount)
	if err != nil {
		return nil, err
	}
	byTask := make(map[event.TaskID]int, len(counts))
	for _, c := range counts {
		byTask[c.task] = c.n
	}
	out := make([]EndedTask, len(summaries))
	for i, t := range summaries {
		out[i] = EndedTask{Summary: t, Interventions: byTask[t.ID]}
	}
	return out, nil
}

// taskCount is the number of some events of a task.
type taskCount struct {
	task event.TaskID
	n    int
}

func scanCount(rows *sql.Rows) (c taskCount, err error) {
	err = rows.Scan(&c.task, &c.n)
	return c, err
}

// unpricedQuery selects the models without a price. Each part uses an index that holds only tasks that run or have ended.
const unpricedQuery = `SELECT models FROM (
		SELECT json_extract(summary, '$.usage.unpriced') AS models FROM tasks WHERE busy AND NOT removed
		UNION
		SELECT json_extract(summary, '$.usage.unpriced') FROM tasks WHERE finished_at > 0 AND finished_at > ?1 AND NOT removed
	) WHERE models IS NOT NULL`

// Unpriced returns the models without a price that tasks use now or used lately, in order.
func (s *Store) Unpriced(ctx context.Context) ([]string, error) {
	since := max(nanos(s.now().Add(-lately)), 0)
	rows, err := s.readers.QueryContext(ctx, unpricedQuery, since)
	all, err := collect(s, "read models", rows, err, func(rows *sql.Rows) (models string, err error) {
		err = rows.Scan(&models)
		return models, err
	})
	sum := event.Usage{}
	for _, models := range all {
		sum = sum.Add(event.Usage{Unpriced: models})
	}
	if sum.Unpriced == "" {
		return nil, err
	}
	return strings.Fields(sum.Unpriced), err
}
