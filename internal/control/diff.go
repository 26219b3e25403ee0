package control

import (
	"context"
	"io"
	"os"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/git"
	"muster/internal/life"
	"muster/internal/store"
)

// Diff asks what a task has changed since it began: in its worktree, including uncommitted and untracked files, or on
// its branch if the worktree is gone.
type Diff struct {
	Ref     string    // named as in One
	Stat    bool      // a line for each file instead of the changes
	Colours bool      // with colours for a terminal
	To      io.Writer // receives git's output
}

// Changes names the two sides of a diff.
type Changes struct {
	Task   event.TaskID `json:"task"`
	Base   string       `json:"base"`   // commit
	Target string       `json:"target"` // the worktree, or the branch
}

func (q Diff) get(ctx context.Context, c *Control, db *store.Store) (Changes, error) {
	t, err := One{q.Ref}.get(ctx, c, db)
	if err != nil {
		return Changes{}, err
	}
	target, err := newestWork(t)
	if err != nil {
		return Changes{}, err
	}
	repo, err := c.repository(ctx, t)
	if err != nil {
		return Changes{}, err
	}
	return Changes{Task: t.ID, Base: t.Base, Target: target},
		repo.Diff(ctx, q.To, t.Base, target, git.DiffOptions{Stat: q.Stat, Color: q.Colours})
}

// newestWork returns the worktree or branch that holds the newest state of the work.
func newestWork(t life.Task) (string, error) {
	if t.Base == "" {
		return "", fault.New(fault.Conflict, "%s is %s: it has not begun to work", t.ID, t.State).WithHint("`muster show %s` shows what it waits for.", t.ID)
	}
	if t.Worktree != "" {
		if st, err := os.Stat(t.Worktree); err == nil && st.IsDir() {
			return t.Worktree, nil
		}
	}
	return t.Branch, nil
}
