package control

import (
	"context"
	"fmt"
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
	Round   int       // what this round judged instead of the newest state; 0 is the newest state
	From    int       // since what this round judged instead of since the task began; 0 is its beginning
	Stat    bool      // a line for each file instead of the changes
	Colours bool      // with colours for a terminal
	To      io.Writer // receives git's output
}

// Command returns the command line that shows the same.
func (q Diff) Command() string {
	line := "muster diff " + q.Ref
	if q.Round != 0 {
		line += fmt.Sprintf(" --round %d", q.Round)
	}
	if q.From != 0 {
		line += fmt.Sprintf(" --from %d", q.From)
	}
	return line
}

// Changes names the two sides of a diff.
type Changes struct {
	Task   event.TaskID `json:"task"`
	Base   string       `json:"base"`            // commit
	Target string       `json:"target"`          // the worktree, the branch, or the commit that a round judged
	Round  int          `json:"round,omitempty"` // the round that judged the target
	From   int          `json:"from,omitempty"`  // the round that judged the base
}

func (q Diff) get(ctx context.Context, c *Control, db *store.Store) (Changes, error) {
	t, err := One{q.Ref}.get(ctx, c, db)
	if err != nil {
		return Changes{}, err
	}
	newest, err := newestWork(t)
	if err != nil {
		return Changes{}, err
	}
	repo, err := c.repository(ctx, t)
	if err != nil {
		return Changes{}, err
	}
	sides := Changes{Task: t.ID, Base: t.Base, Target: newest, Round: q.Round, From: q.From}
	if q.From != 0 {
		if sides.Base, err = judged(ctx, db, repo, t, q.From); err != nil {
			return Changes{}, err
		}
	}
	if q.Round != 0 {
		if sides.Target, err = judged(ctx, db, repo, t, q.Round); err != nil {
			return Changes{}, err
		}
	}
	return sides, repo.Diff(ctx, q.To, sides.Base, sides.Target, git.DiffOptions{Stat: q.Stat, Color: q.Colours})
}

// judged returns the commit that a round has judged. The refs of rounds go with the worktree of their task, and git removes what no
// ref leads to after some weeks.
func judged(ctx context.Context, db *store.Store, repo *git.Repo, t life.Task, round int) (string, error) {
	all, err := db.Rounds(ctx, t.ID)
	if err != nil {
		return "", err
	}
	commit := ""
	for _, r := range only(all, round) {
		if r.Commit != "" {
			commit = r.Commit // a round that was void is judged again under the same number
		}
	}
	if commit == "" {
		return "", fault.New(fault.NotFound, "%s has no round %d", t.ID, round).WithHint("`muster checks %s` lists them.", t.ID)
	}
	found, err := repo.Resolve(ctx, commit)
	if fault.Is(err, fault.Conflict) {
		return "", fault.Wrap(fault.NotFound, err, "git does not have what round %d of %s judged any more", round, t.ID).
			WithHint("`muster diff %s` shows its newest work.", t.ID)
	}
	return found, err
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
