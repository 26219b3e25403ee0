package inside

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"muster/internal/boot"
	"muster/internal/check"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/life"
	"muster/internal/store"
)

// Check runs one check of the task, or all of them if name is "". It runs them as a round does: with the same
// commands, in the same directory and with the same environment. Their output is written to show. The result of a
// task without checks is empty.
func (v Voice) Check(ctx context.Context, name string, show io.Writer) ([]check.StepResult, error) {
	box := v.box()
	all, err := box.ReadChecks()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Wrap(fault.Conflict, err, "the checks of %s are gone", v.task)
	}
	if err != nil {
		return nil, err
	}
	steps, err := choose(all.Checks, name)
	if err != nil || len(steps) == 0 {
		return nil, err
	}
	logs := cmp.Or(all.Env.Logs, filepath.Join(v.files().RW(), "checks"))
	if err := os.MkdirAll(logs, 0o700); err != nil {
		return nil, fault.Wrap(fault.Failed, err, "make room for the output of checks")
	}
	out, err := os.MkdirTemp(logs, "shell-")
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "make room for the output of checks")
	}
	job := check.Job{
		Task: v.task, Gen: v.gen, Name: "check", Dir: all.Env.Worktree, Env: v.checkEnv(ctx), Steps: steps,
		SlotPaths: all.Env.Slots, Out: out,
	}
	res, err := check.Do(ctx, job, show)
	return res.Steps, err
}

// choose returns the checks to run; an unknown name is an error that lists the known ones.
func choose(checks []event.Check, name string) ([]check.Step, error) {
	var chosen []event.Check
	var names []string
	for _, c := range checks {
		names = append(names, c.Name)
		if name == "" || c.Name == name {
			chosen = append(chosen, c)
		}
	}
	if name != "" && len(chosen) == 0 {
		e := fault.New(fault.NotFound, "this task has no check %q", name)
		if len(names) == 0 {
			return nil, e.WithHint("It has no checks at all.")
		}
		return nil, e.WithHint("It has: %s.", strings.Join(names, ", "))
	}
	return check.Steps(chosen), nil
}

// checkEnv returns the environment of a round. If the log cannot be read, for example in a sandbox, it returns the
// agent's own.
func (v Voice) checkEnv(ctx context.Context) []string {
	t, err := v.readTask(ctx)
	if err != nil {
		return slices.Clone(v.caller.Environ)
	}
	env, err := boot.Environ(v.home, t, v.gen)
	if err != nil {
		return slices.Clone(v.caller.Environ)
	}
	return env
}

// readTask reads the task from the log.
func (v Voice) readTask(ctx context.Context) (t life.Task, err error) {
	s, err := store.Open(ctx, v.home.DB(), store.Options{Now: v.caller.Now, Version: boot.Version()})
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return s.Task(ctx, v.task)
}
