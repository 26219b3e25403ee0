package control

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/forge"
	"muster/internal/intake"
	"muster/internal/lock"
	"muster/internal/store"
)

const (
	// issuesPause is how often a followed label is looked at. An answer that nothing has changed costs nothing of the login's limit.
	issuesPause = time.Minute
	// badPause is the least pause after an error that is not the network's.
	badPause = 5 * time.Minute
	// mostIssues is how many issues one look takes.
	mostIssues = 20
)

// claimSource is the name of the offset that has the number by which other fleets know the claims of this one.
const claimSource = "intake/claimant"

// issueSource is the name of the offset that is 1 once an issue has become a task. Names of repositories are not case-sensitive.
func issueSource(repo string, number int) string {
	return fmt.Sprintf("intake/%s#%d", strings.ToLower(repo), number)
}

// TakeIssues makes tasks of the issues of a repository that have a label. Each of them becomes one task, of one fleet, whatever is
// killed when: the claim is a comment on the issue, and the mark of the fleet is in the transaction that queues the task.
type TakeIssues struct {
	Dir     string // where a relative Options.Repo starts
	Options intake.Options
	Label   string
	// Most is how many issues one look takes; 0 is 20.
	Most int
	// Follow looks again and again until the context ends.
	Follow bool
	// Tell is called for each issue that was taken, and for each that was not, with the reason.
	Tell func(TakenIssue) error
	// Trouble is called with an error that Follow waits through, and how long.
	Trouble func(err error, pause time.Duration)

	// Hurry multiplies all pauses, for tests; 0 is 1.
	Hurry float64
}

// TakenIssue is an issue and what has become of it.
type TakenIssue struct {
	Number int          `json:"number"`
	URL    string       `json:"url"`
	Title  string       `json:"title"`
	Task   event.TaskID `json:"task,omitempty"`
	// Why says why it was not taken.
	Why string `json:"why,omitempty"`
	// Elsewhere means that another fleet has taken it.
	Elsewhere bool `json:"elsewhere,omitempty"`
	// Notices say what the task will not see or use.
	Notices []string `json:"notices,omitempty"`
}

func (k TakeIssues) do(ctx context.Context, c *Control) (out Outcome, err error) {
	f, err := c.fleet()
	if err != nil {
		return out, err
	}
	if err = f.CanBeUp(ctx); err != nil {
		return out, err
	}
	db, err := c.open(ctx)
	if err != nil {
		return out, err
	}
	claimant, err := claimantOf(ctx, db)
	if err != nil {
		return out, err
	}
	of, err := intake.New(f, k.Dir).Issues(ctx, k.Options, k.Label, claimant)
	if err != nil {
		return out, err
	}
	of.Settles = k.hurried(of.Settles)
	release, err := c.alone(of.Repo())
	if err != nil {
		return out, err
	}
	defer release()
	worked, failed := false, 0
	for {
		err := k.look(ctx, c, db, of, &out)
		pause, waits := k.pause(err, worked, failed+1)
		if err == nil {
			worked, failed = true, 0
		} else {
			failed++
			of.Again()
		}
		if !k.Follow || ctx.Err() != nil || !waits {
			return out, cmp.Or(err, ctx.Err())
		}
		if err != nil && k.Trouble != nil {
			k.Trouble(err, pause)
		}
		timer := time.NewTimer(k.hurried(pause))
		select {
		case <-ctx.Done():
			timer.Stop()
			return out, ctx.Err()
		case <-timer.C:
		}
		if f, err := c.fleet(); err == nil { // the tasks of each look are frozen with the configuration as it is then
			of.Renew(intake.New(f, k.Dir))
		}
	}
}

func (k TakeIssues) hurried(d time.Duration) time.Duration {
	if k.Hurry == 0 {
		return d
	}
	return time.Duration(float64(d) * k.Hurry)
}

// pause returns how long a label that is followed is not looked at, after failed looks in a row. It returns false if the error is
// one for the person who started it: anything but the network, before the first look that worked.
func (k TakeIssues) pause(err error, worked bool, failed int) (time.Duration, bool) {
	if err == nil {
		return issuesPause, true
	}
	e, ok := errors.AsType[*forge.Error](err)
	switch {
	case ok && (e.Class == forge.Unreachable || e.Class == forge.Limited):
		return max(e.Pause(failed), issuesPause), true
	case ok:
		return max(e.Pause(failed), badPause), worked
	}
	return badPause, worked
}

// look takes the issues that are there now.
func (k TakeIssues) look(ctx context.Context, c *Control, db *store.Store, of *intake.Issues, out *Outcome) error {
	numbers, err := of.Open(ctx)
	if err != nil {
		return err
	}
	taken := 0
	for _, n := range numbers {
		if at, err := db.Offset(ctx, issueSource(of.Repo(), n)); err != nil || at != 0 {
			if err != nil {
				return err
			}
			continue
		}
		if taken == cmp.Or(k.Most, mostIssues) {
			of.Again()
			return nil
		}
		found, err := of.Find(ctx, n)
		if err == nil && found.Why == "" {
			found, err = of.Claim(ctx, n, found)
		}
		if err != nil {
			return fmt.Errorf("issue %d: %w", n, err)
		}
		told := TakenIssue{Number: n, URL: found.URL(), Title: found.Title(), Why: found.Why, Elsewhere: found.Elsewhere}
		if found.Why != "" {
			err = of.Pass(ctx, n, found)
		} else {
			taken++
			told.Notices = found.Task.Notices
			told.Task, err = c.takeIssue(ctx, of.Repo(), n, found.Task, out)
		}
		if told.Task != "" || err == nil && told.Why != "" {
			err = errors.Join(err, k.tell(told))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (k TakeIssues) tell(t TakenIssue) error {
	if k.Tell == nil {
		return nil
	}
	return k.Tell(t)
}

// errIssueTaken means that the fleet has a task of an issue already.
var errIssueTaken = errors.New("the issue is taken")

// takeIssue queues the task of an issue and marks the issue as taken, in one transaction. It returns "" if it was taken before.
func (c *Control) takeIssue(ctx context.Context, repo string, number int, t intake.Task, out *Outcome) (event.TaskID, error) {
	got, err := c.ask(ctx, func(tx *store.Tx, _ event.Front) (Outcome, error) {
		if tx.Offset(issueSource(repo, number)) != 0 {
			return Outcome{}, errIssueTaken
		}
		o, err := Dispatch{Tasks: []intake.Task{t}}.request(tx, c.caller.Tell)
		if err == nil {
			tx.SetOffset(issueSource(repo, number), 1)
		}
		return o, err
	})
	if errors.Is(err, errIssueTaken) {
		return "", nil
	}
	out.Tasks, out.Seq, out.Down = append(out.Tasks, got.Tasks...), max(out.Seq, got.Seq), got.Down
	return got.Task, err
}

// alone lets this process alone take issues of a repository for this fleet.
func (c *Control) alone(repo string) (release func(), err error) {
	f, err := lock.Take(c.home.IntakeLock(strings.ToLower(repo)))
	if errors.Is(err, lock.ErrHeld) {
		return nil, fault.Wrap(fault.Conflict, err, "another muster intake takes issues of %s for this fleet", repo).WithHint("Let it do that, or end it first.")
	}
	if err != nil {
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}

// claimantOf returns the name of the fleet in claims. It is made once, and is no secret.
func claimantOf(ctx context.Context, db *store.Store) (string, error) {
	id, err := db.Offset(ctx, claimSource)
	if err == nil && id == 0 {
		err = db.Request(ctx, func(tx *store.Tx) error {
			if id = tx.Offset(claimSource); id != 0 {
				return nil
			}
			var b [8]byte
			if _, err := rand.Read(b[:]); err != nil {
				return fmt.Errorf("make a name for claims: %w", err)
			}
			id = int64(binary.BigEndian.Uint64(b[:])>>1) | 1
			tx.SetOffset(claimSource, id)
			return nil
		})
	}
	return fmt.Sprintf("%016x", id), err
}
