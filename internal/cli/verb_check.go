package cli

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"muster/internal/boot"

	"github.com/spf13/cobra"

	"muster/internal/check"
	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/fault"
)

const checkHelp = `Run the task's checks now: the same commands, in the same place, with the same environment as when the
turn ends. The exit code is that of the first check that fails.

  muster check
  muster check test`

func newCheckCommand(env Env) *cobra.Command {
	var asJSON bool
	c := verb(&cobra.Command{
		Use: "check [NAME]", Short: "Run the task's checks", Long: checkHelp, Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := agentShell(env, "check")
			if err != nil {
				return err
			}
			return s.check(cmd.Context(), env, strings.Join(args, ""), asJSON)
		},
	}, groupAgent)
	c.Flags().BoolVar(&asJSON, "json", false, "print the verdicts as JSON, the checks' output to standard error")
	return c
}

// check runs one check, or all of them.
func (s shell) check(ctx context.Context, env Env, name string, asJSON bool) error {
	box := s.box()
	all, err := box.ReadChecks()
	if errors.Is(err, fs.ErrNotExist) {
		return fault.Wrap(fault.Conflict, err, "the checks of %s are gone", s.task)
	}
	if err != nil {
		return err
	}
	steps, err := chooseChecks(all.Checks, name)
	if err != nil {
		return err
	}
	if len(steps) == 0 {
		if asJSON {
			return printJSON(env.Stdout, []check.StepResult{})
		}
		return env.say("This task has no checks.")
	}
	logs := cmp.Or(all.Env.Logs, filepath.Join(box.Dir, "checks"))
	if err := os.MkdirAll(logs, 0o700); err != nil {
		return fault.Wrap(fault.Failed, err, "make room for the output of checks")
	}
	out, err := os.MkdirTemp(logs, "shell-")
	if err != nil {
		return fault.Wrap(fault.Failed, err, "make room for the output of checks")
	}
	job := check.Job{
		Task: s.task, Gen: s.gen, Name: "check", Dir: all.Env.Worktree, Env: s.checkEnv(ctx, env), Steps: steps,
		SlotPaths: all.Env.Slots, Out: out,
	}
	spec := filepath.Join(out, "spec.json")
	if err := check.Write(spec, job); err != nil {
		return err
	}
	show := env.Stdout
	if asJSON {
		show = env.Stderr
	}
	if err := check.Run(ctx, spec, show); err != nil {
		return err
	}
	return checkVerdict(env, out, asJSON)
}

func chooseChecks(checks []event.Check, name string) ([]check.Step, error) {
	var steps []check.Step
	var names []string
	for _, c := range checks {
		names = append(names, c.Name)
		if name == "" || c.Name == name {
			steps = append(steps, check.Step{Name: c.Name, Run: c.Run, Timeout: c.Timeout})
		}
	}
	if name != "" && len(steps) == 0 {
		e := fault.New(fault.NotFound, "this task has no check %q", name)
		if len(names) == 0 {
			return nil, e.WithHint("It has no checks at all.")
		}
		return nil, e.WithHint("It has: %s.", strings.Join(names, ", "))
	}
	return steps, nil
}

// checkEnv is the environment of a real round. Where the log can't be read (the agent may be shut in), it is the
// agent's own.
func (s shell) checkEnv(ctx context.Context, env Env) []string {
	var out []string
	err := withControl(ctx, env, func(c *control.Control) error {
		t, err := control.Get(ctx, c, control.One{Ref: string(s.task)})
		if err != nil {
			return err
		}
		out, err = boot.Environ(s.home, t, s.gen)
		return err
	})
	if err != nil {
		return slices.Clone(env.Environ)
	}
	return out
}

// checkVerdict gives the exit status of the first red check.
func checkVerdict(env Env, out string, asJSON bool) error {
	res, _, err := check.ReadResult(out)
	if err != nil {
		return err
	}
	if asJSON {
		if err := printJSON(env.Stdout, res.Steps); err != nil {
			return err
		}
	}
	for _, r := range res.Steps {
		switch {
		case r.TimedOut:
			return exitStatus(fault.ExitCode(fault.New(fault.Timeout, "")))
		case r.Signal != 0:
			return exitStatus(128 + r.Signal)
		case r.Exit != 0:
			return exitStatus(r.Exit)
		}
	}
	return nil
}
