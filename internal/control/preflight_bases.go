package control

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"muster/internal/boot"
	"muster/internal/check"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/git"
	"muster/internal/home"
	"muster/internal/intake"
	"muster/internal/life"
	"muster/internal/lock"
	"muster/internal/regular"
	"muster/internal/replace"
	"muster/internal/run"
	"muster/internal/store"
	"muster/internal/text"
	"muster/internal/words"
)

// Trials asks whether the checks are green on the commits that tasks will start from. They run in a worktree that goes when
// they are over, as a round of checks would run them.
type Trials struct {
	// Dir is a directory of the repository that is tried if no other one is known.
	Dir string
	// Limit is how long they may take together.
	Limit time.Duration
}

const (
	// DefaultTrialLimit is the default of Trials.Limit.
	DefaultTrialLimit = 30 * time.Minute
	// trialTask is in the place of a task's id. No task has it.
	trialTask event.TaskID = "trial"
	// trialEnd is how long a trial that was ended may take to end its processes and to remove its worktree.
	trialEnd = time.Minute
	// trialExcerpt bounds what is shown of a failed check, in bytes.
	trialExcerpt = 800
	maxTrialNote = 64 << 10
)

// trialVerb is the verb that answers Trials in a process of its own.
const trialVerb = "trial"

// preflightTrials asks Trials in a process of its own. That process outlives this one for as long as it takes to end the checks
// and to remove their worktree: it ends when its standard input does, however this process ends.
func (c *Control) preflightTrials(ctx context.Context, q Trials) ([]Finding, error) {
	f, err := c.fleet()
	if err != nil {
		return nil, err
	}
	q.Limit = cmp.Or(max(0, q.Limit), DefaultTrialLimit)
	if f.InAgentsShell() {
		return []Finding{{Check: "base", Level: LevelWarning, Text: "an agent does not try the checks on what tasks start from", Hint: "Ask a person: muster preflight"}}, nil
	}
	ours, theirs, err := os.Pipe()
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "start the checks of the bases")
	}
	defer ours.Close()                                            //nolint:errcheck // it has been read, or nobody reads it
	defer theirs.Close()                                          //nolint:errcheck // nothing was written
	defer context.AfterFunc(ctx, func() { _ = theirs.Close() })() // that is how it learns of it
	res, err := run.Do(context.WithoutCancel(ctx), run.Cmd{
		Argv: []string{f.Exe, trialVerb, "--dir", q.Dir, "--limit", q.Limit.String()}, Dir: q.Dir, Env: f.Environ,
		Stdin: ours, Stderr: &teller{tell: f.Tell}, Timeout: q.Limit + 2*trialEnd,
	})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var found []Finding
	if err == nil {
		err = json.Unmarshal(res.Stdout, &found)
	}
	if err != nil {
		return []Finding{finding("base", "", fault.Wrap(fault.Failed, err, "try the checks of the bases").WithHint("Leave them out: muster preflight --no-checks"))}, nil
	}
	return found, nil
}

// teller tells each line that is written to it.
type teller struct {
	tell   func(format string, args ...any)
	prefix string // of the lines that are told; the others are dropped
	rest   []byte
}

// maxTold bounds an unfinished line that is kept, in bytes.
const maxTold = 4 << 10

// Write implements io.Writer.
func (w *teller) Write(b []byte) (int, error) {
	for line := range bytes.Lines(b) {
		whole := bytes.HasSuffix(line, []byte("\n"))
		if len(w.rest) < maxTold {
			w.rest = append(w.rest, line...)
		}
		if !whole {
			continue
		}
		if said, ok := strings.CutPrefix(strings.TrimSpace(string(w.rest)), w.prefix); ok {
			w.tell("%s", text.Line(said, maxTold))
		}
		w.rest = w.rest[:0]
	}
	return len(b), nil
}

// baseTrial is one commit with the checks that are to be tried on it.
type baseTrial struct {
	task   life.Task // the first one that starts there, in the trial's worktree
	repo   *git.Repo
	commit string
	starts []string // what starts there
}

func (q Trials) get(ctx context.Context, c *Control, db *store.Store) ([]Finding, error) {
	f, err := c.fleet()
	if err != nil {
		return nil, err
	}
	env := f.Environ
	if held, err := lock.Held(f.Home.Lock()); err == nil && held {
		env = f.Saved
	}
	limit := cmp.Or(max(0, q.Limit), DefaultTrialLimit)
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	held, err := c.trialLock(limited, f)
	if err != nil {
		if ctx.Err() == nil && limited.Err() != nil {
			err = fault.New(fault.Timeout, "another preflight tried them for %s", words.Duration(limit)).WithHint("Wait for it, and run this one again.")
		}
		return nil, err
	}
	defer held.Close() //nolint:errcheck // releases it
	if err := c.dropTrial(ctx, f); err != nil {
		return nil, err
	}
	all, out, err := q.trials(limited, c, f, db)
	if err != nil {
		return nil, err
	}
	for i, t := range all {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		part := ""
		if len(all) > 1 {
			part = fmt.Sprintf("%d of %d: ", i+1, len(all))
		}
		c.caller.Tell("%strying the checks on %s", part, t.where())
		got, err := c.try(limited, f, t, env, part)
		if err != nil && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil && limited.Err() != nil {
			err = fault.New(fault.Timeout, "the checks on %s have not ended within %s", t.where(), words.Duration(limit)).
				WithHint("Give them longer: muster preflight --limit %s", 4*limit)
		}
		if err != nil {
			got = []Finding{finding("base", "", err)}
		}
		out = append(out, got...)
	}
	return out, nil
}

// trialLock takes the lock of the trial's worktree.
func (c *Control) trialLock(ctx context.Context, f boot.Fleet) (*os.File, error) {
	c.caller.Tell("waiting for the worktree in which checks are tried")
	return lock.Wait(ctx, f.Home.TrialLock())
}

// trials returns the commits with checks that queued and recurring tasks start from. Without any it is that of q.Dir.
func (q Trials) trials(ctx context.Context, c *Control, f boot.Fleet, db *store.Store) (all []baseTrial, out []Finding, err error) {
	known := map[string]int{}
	add := func(s event.Spec, name string) error {
		if len(s.Checks) == 0 || strings.HasPrefix(s.Base, "@") {
			return nil
		}
		t := life.Task{ID: trialTask, Gen: 1, Spec: s, Worktree: f.Home.TrialDir()}
		if len(s.Accounts) > 0 {
			t.Uses = s.Accounts[0].Name
		}
		repo, err := c.repository(ctx, life.Task{Spec: s})
		if err != nil {
			return err
		}
		commit, err := repo.Resolve(ctx, cmp.Or(s.Base, "HEAD"))
		if err != nil {
			return err
		}
		key, err := json.Marshal([]any{s.GitDir, s.Repo, commit, s.Checks, s.Setup, s.Copy, s.Env, s.EnvFrom, s.Fence, t.Uses})
		if err != nil {
			return err
		}
		i, seen := known[string(key)]
		if !seen {
			i = len(all)
			known[string(key)] = i
			all = append(all, baseTrial{task: t, repo: repo, commit: commit})
		}
		all[i].starts = append(all[i].starts, name)
		return nil
	}
	queued := 0
	for t, err := range db.Unfinished(ctx) {
		if err != nil {
			return nil, nil, err
		}
		if !works(t) {
			continue
		}
		queued++
		if t.Worktree != "" || t.Spec.Review != nil {
			continue
		}
		if err := add(t.Spec, string(t.ID)); ctx.Err() != nil {
			return nil, nil, err
		} // another finding says what is wrong with its repository
	}
	for _, r := range f.Config.Recurring {
		tasks, err := recurTasks(ctx, f, r) // as above
		for _, t := range tasks {
			err = errors.Join(err, add(t.Spec, r.Name))
		}
		if ctx.Err() != nil {
			return nil, nil, err
		}
		queued += len(tasks)
	}
	if queued > 0 || q.Dir == "" {
		return all, nil, nil
	}
	s, err := intake.New(f, q.Dir).Base(ctx, q.Dir)
	switch {
	case fault.Is(err, fault.NotFound), fault.Is(err, fault.Conflict): // no repository, or none that has a commit
		return nil, nil, nil
	case err != nil:
		return nil, []Finding{finding("base", "", err)}, nil
	}
	return all, nil, add(s, "")
}

// where names the commit of a trial for people.
func (t baseTrial) where() string {
	name := t.commit[:min(12, len(t.commit))]
	if b := t.task.Spec.Base; b != "" && b != t.commit {
		name = b + " (" + name + ")"
	}
	return name + " of " + t.task.Spec.Repo
}

// users names what starts from the commit of a trial.
func (t baseTrial) users() string {
	switch {
	case t.starts[0] == "":
		return ""
	case len(t.starts) == 1:
		return ", from which " + t.starts[0] + " starts"
	}
	return ", from which " + text.Some(t.starts, maxListed) + " start"
}

// trialNote is what a later preflight needs to remove the worktree of one that was killed.
type trialNote struct {
	GitDir string `json:"git_dir"`
	Repo   string `json:"repo"`
}

func trialOut(h home.Dir) string      { return h.JobDir(trialTask, "checks") }
func trialNotePath(h home.Dir) string { return filepath.Join(h.TaskJobsDir(trialTask), "place.json") }

// dropTrial removes all that a trial has made. The caller holds the lock.
func (c *Control) dropTrial(ctx context.Context, f boot.Fleet) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), trialEnd)
	defer cancel()
	data, err := regular.Read(trialNotePath(f.Home), maxTrialNote)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	err = check.EndLeft(ctx, trialOut(f.Home))
	var note trialNote
	if json.Unmarshal(data, &note) == nil {
		repo, failed := c.repository(ctx, life.Task{Spec: event.Spec{GitDir: note.GitDir, Repo: note.Repo}})
		if failed == nil {
			failed = repo.DropScratch(ctx, f.Home.TrialDir())
		}
		err = errors.Join(err, failed)
	}
	if err != nil {
		err = fault.Wrap(fault.Failed, err, "remove the worktree in which checks were tried").WithHint("Remove it: rm -r %s", text.Quote(f.Home.TrialDir()))
		if _, left := os.Lstat(f.Home.TrialDir()); !errors.Is(left, fs.ErrNotExist) {
			return err
		}
	}
	for _, dir := range []string{f.Home.TempDir(trialTask), f.Home.TaskCache(trialTask), f.Home.NewGen(trialTask, 1).Dir, f.Home.TaskJobsDir(trialTask)} {
		if err := os.RemoveAll(dir); err != nil {
			return fault.Wrap(fault.Failed, err, "remove what a trial of checks left")
		}
	}
	_ = os.Remove(filepath.Dir(f.Home.TempDir(trialTask))) // it fails while tasks have files there
	return nil
}

// sweepTrial removes what trials have left that were killed with the process that looked after them.
func (c *Control) sweepTrial(ctx context.Context, f boot.Fleet) error {
	if _, err := os.Lstat(trialNotePath(f.Home)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	held, err := lock.Try(f.Home.TrialLock())
	if errors.Is(err, lock.ErrHeld) {
		return nil
	}
	if err != nil {
		return err
	}
	defer held.Close() //nolint:errcheck // releases it
	return c.dropTrial(ctx, f)
}

// try runs the setup and the checks of a trial, and removes what they leave.
func (c *Control) try(ctx context.Context, f boot.Fleet, t baseTrial, env []string, part string) (out []Finding, err error) {
	if err := os.MkdirAll(f.Home.TaskJobsDir(trialTask), 0o700); err != nil {
		return nil, fault.Wrap(fault.Failed, err, "make room for the output of checks")
	}
	if err := replace.JSON(trialNotePath(f.Home), trialNote{GitDir: t.task.Spec.GitDir, Repo: t.task.Spec.Repo}); err != nil {
		return nil, err
	}
	defer func() {
		if failed := c.dropTrial(ctx, f); failed != nil {
			out, err = nil, errors.Join(err, failed)
		}
	}()
	path := t.task.Worktree
	if err := t.repo.Scratch(ctx, path, t.commit); err != nil {
		return nil, err
	}
	if err := t.repo.Copy(ctx, path, t.task.Spec.Copy); err != nil {
		return nil, err
	}
	// Some programs that checks start have their files there, as for a generation of a task.
	if err := os.MkdirAll(f.Home.NewGen(trialTask, 1).RW(), 0o700); err != nil {
		return nil, fault.Wrap(fault.Failed, err, "make room for the files of checks")
	}
	if t.task.Spec.Setup != "" {
		steps := []event.Check{{Name: "setup", Run: t.task.Spec.Setup, Timeout: t.task.Spec.Timeout}}
		res, err := c.tryJob(ctx, f, t, env, "setup", steps, part)
		if err != nil {
			return nil, err
		}
		if red := t.red(ctx, res); len(red) > 0 {
			return red, nil
		}
	}
	before, err := t.repo.Tree(ctx, path)
	if err != nil {
		return nil, err
	}
	res, err := c.tryJob(ctx, f, t, env, "checks", t.task.Spec.Checks, part)
	if err != nil {
		return nil, err
	}
	if out = t.red(ctx, res); len(out) > 0 {
		return out, nil
	}
	after, err := t.repo.Tree(ctx, path)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(res.Steps))
	for i, s := range res.Steps {
		names[i] = s.Name
	}
	if before != after {
		return []Finding{{
			Check: "base", Level: LevelError,
			Text: fmt.Sprintf("the checks (%s) change files of the worktree on %s%s, so that they can judge no work", strings.Join(names, ", "), t.where(), t.users()),
			Hint: "Let them write elsewhere, or ignore what they write: " + t.again(ctx, res.Steps[0].Run) + " && git status",
		}}, nil
	}
	return []Finding{{
		Check: "base", Level: LevelOK,
		Text: fmt.Sprintf("the checks pass on %s%s: %s in %s", t.where(), t.users(), strings.Join(names, ", "), words.Duration(res.Ended.Sub(res.Started))),
	}}, nil
}

// tryJob runs one job of a trial as a supervisor would, in this process.
func (c *Control) tryJob(ctx context.Context, f boot.Fleet, t baseTrial, saved []string, name string, steps []event.Check, part string) (check.Result, error) {
	env, err := boot.EnvironFrom(saved, f.Home, t.task, 1)
	if err != nil {
		return check.Result{}, err
	}
	var read, write []string
	if t.task.Spec.Fence != nil {
		if read, write, err = boot.AgentPaths(ctx, t.repo, t.task); err != nil {
			return check.Result{}, err
		}
	}
	job, err := boot.Job{
		Fenced: boot.Fenced{Home: f.Home, Task: t.task}, Exe: f.Exe, Name: name, Steps: steps,
		Out: trialOut(f.Home), Slots: f.Home.CheckSlots(f.MaxChecks()),
	}.Spec(env, read, write)
	if err != nil {
		return check.Result{}, err
	}
	show := &teller{prefix: "[muster] ", tell: func(format string, args ...any) { c.caller.Tell(part+format, args...) }}
	res, err := check.Do(ctx, job, io.Writer(show))
	if err != nil {
		return res, fault.Wrap(fault.CodeOf(err), err, "the %s of %s could not run", name, t.where())
	}
	return res, nil
}

// red returns a finding for each step that failed.
func (t baseTrial) red(ctx context.Context, res check.Result) (out []Finding) {
	for _, s := range res.Steps {
		if s.Green() {
			continue
		}
		said := fmt.Sprintf("%s fails on %s%s: %s", s.Name, t.where(), t.users(), s)
		if quote, err := check.Excerpt(s, trialExcerpt); err == nil && quote != "" {
			said += "\n" + text.Terminal(strings.TrimSpace(quote), false)
		}
		out = append(out, Finding{Check: "base", Level: LevelError, Text: said, Hint: "Mend it there, because no work can pass it. See it: " + t.again(ctx, s.Run)})
	}
	return out
}

// again returns a command that runs a step of a trial for a person.
func (t baseTrial) again(ctx context.Context, step string) string {
	step, repo := "( "+text.Line(step, maxTold)+" )", text.Quote(t.task.Spec.Repo)
	if head, err := t.repo.Resolve(ctx, "HEAD"); err == nil && head == t.commit {
		return "cd " + repo + " && " + step
	}
	dir := text.Quote(t.task.Spec.Repo + "-base")
	return fmt.Sprintf("git -C %s worktree add --detach %s %s && cd %s && %s", repo, dir, t.commit[:min(12, len(t.commit))], dir, step)
}
