package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"muster/internal/fault"
	"muster/internal/host"
	"muster/internal/lock"
	"muster/internal/replace"
	"muster/internal/run"
	"muster/internal/scarce"
	"muster/internal/spec"
)

// stepGrace is how long a step, or what it left behind, may take from SIGTERM on.
const stepGrace = 5 * time.Second

// Run runs the job of a spec file (see Run, and `muster check`) and shows its output
// on stdout. All steps run, also after a red one; red steps are no error. The result appears under Job.Out by rename
// at the very end. It survives SIGHUP and the death of stdout. If ctx ends, so does the step under way, and there is
// no result. A job that has its result is not run again. lock.ErrHeld: the job's lock is another's.
func Run(ctx context.Context, specPath string, stdout io.Writer) error {
	// Caught and dropped, not ignored: what is ignored would be ignored in the steps too.
	dropped := make(chan os.Signal, 1)
	signal.Notify(dropped, syscall.SIGHUP, syscall.SIGPIPE)
	defer signal.Stop(dropped)

	j, err := readJob(specPath)
	if err != nil {
		return err
	}
	if _, done, err := ReadResult(j.Out); err != nil || done {
		return errors.Join(err, j.wake())
	}
	if j.Lock != "" {
		lock, err := lock.Take(j.Lock)
		if err != nil {
			return fmt.Errorf("job %s of %s: %w", j.Name, j.Task, err)
		}
		defer lock.Close() //nolint:errcheck // releases it
	}
	r := &runner{Job: j, pane: newPane(stdout)}
	defer r.pane.close()
	res, err := r.run(ctx)
	if ctx.Err() != nil {
		return ctx.Err() // what ran is not the whole
	}
	if err != nil {
		res.Error, res.Scarce = err.Error(), scarce.Is(err)
		r.say("%v", err)
	}
	// What was found out must not be lost because the work itself has filled the disk.
	if err := scarce.Retry(ctx, func() error {
		return replace.JSON(filepath.Join(j.Out, resultFile), res)
	}); err != nil {
		return err
	}
	return errors.Join(err, j.wake())
}

// runner is one run of a job.
type runner struct {
	Job
	pane *pane
}

func (r *runner) run(ctx context.Context) (Result, error) {
	res := Result{V: spec.Version, Started: time.Now().UTC()}
	if err := os.MkdirAll(r.Out, 0o700); err != nil {
		return res, fmt.Errorf("make job directory: %w", err)
	}
	if st, err := os.Stat(r.Dir); err != nil || !st.IsDir() {
		return res, fault.New(fault.NotFound, "the worktree %s is missing", r.Dir)
	}
	r.sweep(ctx, nil) // what a killed run of this job left behind
	slot, err := lock.Slot(ctx, r.SlotPaths, func() { r.say("waiting for one of %d check slots", len(r.SlotPaths)) })
	if err != nil {
		return res, err
	}
	if slot != nil {
		defer slot.Close() //nolint:errcheck // releases it
	}
	res.Started = time.Now().UTC()
	for _, s := range r.Steps {
		step, err := r.step(ctx, s)
		if err != nil {
			return res, err
		}
		if err := replace.JSON(r.stepPath(s.Name), step); err != nil {
			return res, err
		}
		res.Steps = append(res.Steps, step)
	}
	res.Ended = time.Now().UTC()
	return res, nil
}

// step runs one step to its end and ends what it leaves behind. The error is never the step's own.
func (r *runner) step(ctx context.Context, s Step) (StepResult, error) {
	log, err := newStepLog(r.logPath(s.Name), r.MaxLog, r.pane)
	if err != nil {
		return StepResult{}, err
	}
	r.say("%s: %s", s.Name, s.Run)
	timeout := s.Timeout
	if timeout == 0 {
		timeout = DefaultStepTimeout
	}
	res := StepResult{Name: s.Name, Run: s.Run, Log: r.logPath(s.Name), Started: time.Now().UTC()}
	leader := 0
	out, err := run.Do(ctx, run.Cmd{
		Argv: []string{"/bin/sh", "-c", s.Run}, Dir: r.Dir, Env: r.env(), Stdout: log, Stderr: log, Timeout: timeout,
		Started: func(pid int) { leader = pid },
		Stop:    func(pid int) { r.sweep(ctx, members(pid, true)) },
	})
	r.sweep(ctx, members(leader, false))
	res.Ended = time.Now().UTC()
	var logErr error
	if res.LogBytes, res.Truncated, logErr = log.close(); logErr != nil {
		logErr = fmt.Errorf("the log of %s is not whole: %w", s.Name, logErr)
		r.say("%v", logErr)
	}
	res.Exit = out.Exit
	exit, failed := errors.AsType[*run.ExitError](err)
	switch {
	case ctx.Err() != nil:
		return res, ctx.Err()
	case failed:
		res.Signal = int(exit.Signal)
	case errors.Is(err, context.DeadlineExceeded):
		res.TimedOut = true
	case err != nil:
		return res, fmt.Errorf("check %s: %w", s.Name, err)
	}
	r.say("%s: %s", s.Name, res)
	if red := res.Exit != 0 || res.TimedOut; red && scarce.Is(logErr) {
		return res, logErr // where we found no room, neither may the step have done
	}
	return res, nil
}

// env is the environment of the steps: the job's, and the mark by which what they leave behind is found.
func (r *runner) env() []string {
	env := make([]string, 0, len(r.Env)+1)
	for _, kv := range r.Env {
		if !strings.HasPrefix(kv, MarkerVar+"=") { // a job within a job has a mark of its own
			env = append(env, kv)
		}
	}
	return append(env, MarkerVar+"="+r.Out)
}

// sweep ends processes and whatever else carries the job's mark. It goes on when ctx has ended: that is
// when it is needed.
func (r *runner) sweep(ctx context.Context, procs []host.Process) {
	left, err := host.End(context.WithoutCancel(ctx), host.Ending{
		Procs: procs, Mark: [2]string{MarkerVar, r.Out}, Grace: stepGrace,
	})
	if err != nil {
		r.say("still running: %v: %v", left, err)
	}
}

// members gives the process group of a step, and its descendants while it lives.
func members(leader int, living bool) []host.Process {
	if leader <= 0 {
		return nil
	}
	procs, _ := host.Group(leader) // without it there is still the mark
	if living {
		tree, _ := host.Tree(leader)
		procs = append(procs, tree...)
	}
	return procs
}

// say prints a line of our own to the pane.
func (r *runner) say(format string, args ...any) {
	_, _ = fmt.Fprintf(r.pane, "[muster] "+format+"\n", args...)
}

// String tells how a step went, for people.
func (s StepResult) String() string {
	took := s.Ended.Sub(s.Started).Round(10 * time.Millisecond)
	switch {
	case s.TimedOut:
		return fmt.Sprintf("timed out after %v", took)
	case s.Signal != 0:
		return fmt.Sprintf("ended by %v after %v", syscall.Signal(s.Signal), took)
	case s.Exit == 0:
		return fmt.Sprintf("passed in %v", took)
	}
	return fmt.Sprintf("exit status %d after %v", s.Exit, took)
}

// wake touches the wake file: whoever watches it learns that the result is there.
func (j Job) wake() error {
	if j.Wake == "" {
		return nil
	}
	f, err := os.OpenFile(j.Wake, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("wake: %w", err)
	}
	_, err = f.WriteAt([]byte{'\n'}, 0)
	return errors.Join(err, f.Close())
}
