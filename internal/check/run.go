package check

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/fence"
	"muster/internal/host"
	"muster/internal/lock"
	"muster/internal/regular"
	"muster/internal/replace"
	"muster/internal/run"
	"muster/internal/scarce"
	"muster/internal/spec"
	"muster/internal/text"
)

// stepGrace is how long a step, or a process that it left behind, may take to end after SIGTERM.
const stepGrace = 5 * time.Second

// Run runs the job of a spec file, shows its output on stdout and writes the signed result to Job.Out, where it appears
// by rename at the very end. It starts no step before a supervisor has met it (see Meet and Begin). The definition is
// read once. The spec file contains secrets and is removed as soon as it was read. The error is lock.ErrHeld if another
// process holds the job's lock, and host.ErrTraced if another process could change what this one does.
//
// Run survives SIGHUP and the death of stdout. SIGTERM, SIGINT and the end of ctx end the current step and everything
// that it started. There is no result then, and the error is that of the context.
func Run(ctx context.Context, specPath string, stdout io.Writer) error {
	if err := host.Shield(); err != nil {
		return err
	}
	// The signal is caught and dropped. If it were ignored, the steps would inherit that.
	dropped := make(chan os.Signal, 1)
	signal.Notify(dropped, syscall.SIGHUP, syscall.SIGPIPE)
	defer signal.Stop(dropped)
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer cancel()

	j, err := readJob(specPath)
	if err != nil {
		return err
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return fmt.Errorf("make the key of %s: %w", j.Name, err)
	}
	applied, unfit := j.prepared()
	me, err := j.introduction(public, applied)
	if err != nil {
		return err
	}
	if j.Lock != "" {
		held, err := lock.Take(j.Lock)
		if err != nil {
			return fmt.Errorf("job %s of %s: %w", j.Name, j.Task, err)
		}
		defer held.Close() //nolint:errcheck // releases it
	}
	if err := errors.Join(removeFile(specPath), ForgetResult(j.Out)); err != nil {
		return err
	}
	if err := j.await(ctx, me); err != nil {
		return err
	}
	pane := newPane(stdout)
	defer pane.close()
	res, err := Result{V: spec.Version, Started: time.Now().UTC()}, unfit
	if unfit == nil {
		res, err = j.run(ctx, pane)
	}
	if ctx.Err() != nil {
		return ctx.Err() // not all steps ran
	}
	if err != nil {
		res.Error, res.Scarce = err.Error(), scarce.Is(err)
	}
	// The result must not be lost because the work has filled the disk.
	if err := scarce.Retry(ctx, func() error { return j.writeResult(res, me, private) }); err != nil {
		return err
	}
	return errors.Join(err, removeFile(specPath), j.wake()) // a second runner may have got a spec of its own meanwhile
}

// Do runs a job in this process and returns its result, without writing it to a file. It takes no lock except a slot.
// If ctx ends, the current step ends too, and the error is that of the context.
func Do(ctx context.Context, j Job, stdout io.Writer) (Result, error) {
	if err := j.check(); err != nil {
		return Result{}, err
	}
	pane := newPane(stdout)
	defer pane.close()
	return j.run(ctx, pane)
}

// run runs the steps of a job.
func (j Job) run(ctx context.Context, p *pane) (Result, error) {
	r := &runner{Job: j, pane: p}
	res, err := r.run(ctx)
	if ctx.Err() != nil {
		return res, ctx.Err()
	}
	if err != nil {
		r.say("%v", err)
	}
	return res, err
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the job's spec file: %w", err)
	}
	return nil
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
	if err := removeFile(r.beganPath()); err != nil {
		return res, err
	}
	r.sweep(ctx, nil) // processes that a killed run of this job left behind
	slot, err := lock.Slot(ctx, r.SlotPaths, func() { r.say("waiting for one of %d check slots", len(r.SlotPaths)) })
	if err != nil {
		return res, err
	}
	if slot != nil {
		defer slot.Close() //nolint:errcheck // releases it
	}
	if err := r.begin(); err != nil {
		return res, err
	}
	res.Started = time.Now().UTC()
	for _, s := range r.Steps {
		step, err := r.settled(ctx, s)
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

// settled runs a step, and again as often as it may fail by chance.
func (r *runner) settled(ctx context.Context, s Step) (StepResult, error) {
	began := time.Now().UTC()
	for n := 1; ; n++ {
		res, err := r.step(ctx, s)
		if err != nil || res.Green() || n > s.Flaky {
			if n > 1 {
				res.Runs, res.Started = n, began
			}
			return res, err
		}
		r.say("%s: it may fail by chance, so it runs again (%d of %d)", s.Name, n, s.Flaky)
	}
}

// step runs one step to its end and then ends the processes that it leaves behind. The error is never the step's own.
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
	argv, err := r.argv(s)
	if err != nil {
		return StepResult{}, err
	}
	out, err := run.Do(ctx, run.Cmd{
		Argv: argv, Dir: r.Dir, Env: r.env(), Stdout: log, Stderr: log, Timeout: timeout,
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
	res.LogSum = log.kept()
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
		return res, logErr // the step may have met the same shortage
	}
	return res, nil
}

// argv returns the command line that runs a step.
func (r *runner) argv(s Step) ([]string, error) {
	argv := []string{"/bin/sh", "-c", s.Run}
	if r.Fence == nil {
		return argv, nil
	}
	// A fence that cannot be had is an error of the job. A step that failed for it would be a verdict about the work.
	if _, err := r.prepared(); err != nil {
		return nil, err
	}
	path := filepath.Join(r.Out, s.Name+".fence.json")
	err := fence.Command{Argv: argv, Dir: r.Dir, Env: r.env(), Policy: *r.Fence}.Write(path)
	return append(slices.Clone(r.Shim), path), err
}

// prepared returns the fence of the steps, after trying whether this machine can enforce it; nil if there is none.
func (j Job) prepared() (*event.FenceApplied, error) {
	if j.Fence == nil {
		return nil, nil //nolint:nilnil // no fence
	}
	f, err := fence.Prepare(*j.Fence)
	if err != nil {
		return nil, err
	}
	applied := event.FenceApplied(f.Applied())
	return &applied, f.Close()
}

// env returns the environment of the steps: the job's, and the variable that marks every process of the job. A job
// within a job has its own value.
func (r *runner) env() []string { return environ.Overlay(r.Env, environ.Mark+"="+r.mark()) }

// mark is the value of the mark. It is unique for the directory of the job and does not name it.
func (j Job) mark() string { return digest([]byte(j.Out))[:32] }

// EndLeft ends the processes that the steps of a job with this Out left behind when its runner was killed.
func EndLeft(ctx context.Context, outDir string) error {
	_, err := host.End(ctx, host.Ending{Mark: [2]string{environ.Mark, Job{Out: outDir}.mark()}, Grace: stepGrace})
	if errors.Is(err, host.ErrUnsupported) {
		return nil
	}
	return err
}

// sweep ends processes, and all other processes with the job's marker. It also works after ctx has ended, because it
// is needed then.
func (r *runner) sweep(ctx context.Context, procs []host.Process) {
	left, err := host.End(context.WithoutCancel(ctx), host.Ending{
		Procs: procs, Mark: [2]string{environ.Mark, r.mark()}, Grace: stepGrace,
	})
	if err != nil {
		r.say("still running: %v: %v", left, err)
	}
}

// members returns the processes in the process group of a step, and its descendants if it lives.
func members(leader int, living bool) []host.Process {
	if leader <= 0 {
		return nil
	}
	procs, _ := host.Group(leader) // without it there is still the marker
	if living {
		tree, _ := host.Tree(leader)
		procs = append(procs, tree...)
	}
	return procs
}

// say prints a line of muster to the pane.
func (r *runner) say(format string, args ...any) {
	_, _ = fmt.Fprintf(r.pane, "[muster] "+format+"\n", args...)
}

// String describes the result of a step.
func (s StepResult) String() string {
	took := s.Ended.Sub(s.Started).Round(10 * time.Millisecond)
	switch {
	case s.TimedOut:
		return fmt.Sprintf("timed out after %v", took)
	case s.Signal != 0:
		return fmt.Sprintf("ended by %s after %v", text.Exit(s.Exit, s.Signal), took)
	case s.Exit == 0:
		return fmt.Sprintf("passed in %v", took)
	}
	return fmt.Sprintf("%s after %v", text.Exit(s.Exit, s.Signal), took)
}

// begin records that the job has its slot.
func (j Job) begin() error {
	f, err := regular.Create(j.beganPath())
	if err != nil {
		return fmt.Errorf("note that the job began: %w", err)
	}
	return f.Close()
}

// wake writes to the wake file, which the supervisor watches.
func (j Job) wake() error {
	if j.Wake == "" {
		return nil
	}
	f, err := regular.Create(j.Wake)
	if err != nil {
		return fmt.Errorf("wake: %w", err)
	}
	_, err = f.WriteAt([]byte{'\n'}, 0)
	return errors.Join(err, f.Close())
}
