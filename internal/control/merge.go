package control

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"muster/internal/event"
	"muster/internal/life"
	"muster/internal/store"
	"muster/internal/words"
)

// MergeStatus is a merge queue in which work waits.
type MergeStatus struct {
	Branch string         `json:"branch"`  // the base
	GitDir string         `json:"git_dir"` // of the repository
	Tasks  []event.TaskID `json:"tasks"`   // whose work waits, in order
	// Doing is build, judge or land, or "" if nothing is done now; Together are the tasks that it is done with.
	Doing    event.ActionKind `json:"doing"`
	Together []event.TaskID   `json:"together"`
	// Waits is what the queue waits for; "" if it goes on. Why describes it.
	Waits    event.MergeWait `json:"waits"`
	Why      string          `json:"why"`
	Since    time.Time       `json:"since,omitzero"`     // when it began to wait
	LandedAt time.Time       `json:"landed_at,omitzero"` // when work was merged last
}

// mergeStatus returns the merge queues in which work waits.
func mergeStatus(ctx context.Context, db *store.Store) ([]MergeStatus, error) {
	all, err := db.Queues(ctx)
	out := []MergeStatus{}
	for _, q := range all {
		if len(q.Entries) > 0 {
			out = append(out, mergeStatusOf(q))
		}
	}
	return out, err
}

func mergeStatusOf(q life.Queue) MergeStatus {
	s := MergeStatus{Branch: q.Branch, GitDir: q.GitDir, LandedAt: q.LandedAt, Tasks: []event.TaskID{}, Together: []event.TaskID{}}
	for _, e := range q.Entries {
		s.Tasks = append(s.Tasks, e.Task)
	}
	for _, a := range q.Open {
		s.Doing = a.Kind()
	}
	if q.Batch != nil {
		s.Together = append(s.Together, q.Batch.Tasks...)
	}
	if h := q.Held; h != nil {
		s.Waits, s.Why, s.Since = h.For, words.Held(h.MergeHeld), h.Since
	}
	return s
}

// String returns the queue in one line.
func (s MergeStatus) String() string {
	text := fmt.Sprintf("%s: %s", s.Branch, words.Count(len(s.Tasks), "task"))
	switch {
	case s.Why != "":
		text += ", and it waits: " + s.Why
	case s.Doing == event.ActJudge && len(s.Together) == 0:
		text += ", the checks run on the base itself"
	case s.Doing == event.ActJudge:
		text += ", the checks run on " + words.TaskIDs(s.Together)
	case s.Doing == event.ActLand:
		text += ", merging " + words.TaskIDs(s.Together)
	}
	return text
}

// mergeOf returns where the work of a task stands in its merge queue; "" if it does not wait there.
func mergeOf(ctx context.Context, db *store.Store, t life.Task) (string, error) {
	if _, waits := t.MergeEntry(); !waits {
		return "", nil
	}
	all, err := db.Queues(ctx)
	if err != nil {
		return "", err
	}
	for _, q := range all {
		if n := q.Place(t.ID); n > 0 && q.ID == life.QueueOf(t) {
			return fmt.Sprintf("%d of %d in the queue of %s", n, len(q.Entries), cmp.Or(mergeStatusOf(q).String(), q.Branch)), nil
		}
	}
	return "", nil
}
