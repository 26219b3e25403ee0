package control

import (
	"context"
	"slices"
	"time"

	"muster/internal/report"
	"muster/internal/store"
	"muster/internal/words"
)

// Night asks for what each task did since a time, beside each other. Unlike Report it reads no repository.
type Night struct{ Since time.Time }

// Timeline is the answer to Night.
type Timeline struct {
	Since, Until time.Time
	Lanes        []report.Lane // in the order in which a person looks at them
	Gaps         []report.Gap  // times in which nobody watched the fleet
	Report       report.Report // without the sizes of changes
}

func (q Night) get(ctx context.Context, c *Control, db *store.Store) (out Timeline, err error) {
	out.Report, err = Report{Since: q.Since, quick: true}.get(ctx, c, db)
	if err != nil {
		return out, err
	}
	out.Since, out.Until = out.Report.Since, out.Report.Until
	from, err := db.SeqAt(ctx, q.Since)
	if err != nil {
		return out, err
	}
	var line report.Timeline
	for e, err := range db.Events(ctx, store.EventFilter{After: from, Kinds: report.TimelineKinds()}) {
		if err != nil {
			return out, err
		}
		line.Add(e)
	}
	all, err := db.List(ctx, store.ListFilter{All: true, States: reported()})
	if err != nil {
		return out, err
	}
	all = slices.DeleteFunc(all, func(s Summary) bool { return s.FinishedAt != nil && s.FinishedAt.Before(q.Since) })
	slices.SortFunc(all, func(a, b Summary) int { return words.Compare(&a, &b) })
	tasks := make([]report.LaneTask, len(all))
	for i, s := range all {
		tasks[i] = report.LaneTask{ID: s.ID, Name: s.Name, State: s.State, Queued: timeOf(s.QueuedAt), Cost: s.Usage.CostUSD, About: words.About(&all[i])}
	}
	out.Lanes, out.Gaps = line.Lanes(out.Since, out.Until, tasks), line.Gaps(out.Since, out.Until)
	return out, nil
}

// timeOf returns the zero time for nil.
func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
