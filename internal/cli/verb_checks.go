package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/regular"
	"muster/internal/words"
)

const checksHelp = `Show the rounds of checks of a task: the judged commits, and the verdicts.

  muster checks t3
  muster checks t3 --log test     the newest output of the check "test"
  muster checks t3 --log test --round 1`

func newChecksCommand(env Env) *cobra.Command {
	var log string
	var round int
	c := verb(&cobra.Command{
		Use: "checks ID", Short: "Show the verdicts of a task's checks", Long: checksHelp, Args: cobra.ExactArgs(1),
	}, groupLook)
	c.Flags().StringVar(&log, "log", "", "print the output of check `NAME`")
	c.Flags().IntVar(&round, "round", 0, "of round `N` (default: the newest)")
	read := func(ctx context.Context, args []string) (control.TaskChecks, error) {
		return get(ctx, env, control.Checks{Ref: args[0], Round: round})
	}
	result[control.TaskChecks]{
		json: "an array of rounds",
		get:  read,
		view: func(_ context.Context, d control.TaskChecks) (any, error) { return control.OrEmpty(d.Rounds), nil },
		show: func(d control.TaskChecks) error { return printRounds(env, d) },
	}.addTo(env, c)
	verdicts := c.RunE
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if log == "" {
			return verdicts(cmd, args)
		}
		d, err := read(cmd.Context(), args)
		if err != nil {
			return err
		}
		r, err := d.Result(log, 0)
		if err != nil {
			return err
		}
		if r.Review != "" {
			return env.say(cmp.Or(r.Excerpt, "It named no findings."))
		}
		return printLog(env, r.Log)
	}
	return c
}

// printRounds prints the rounds of a task.
func printRounds(env Env, d control.TaskChecks) error {
	switch {
	case len(d.Task.Spec.Checks)+len(d.Task.Spec.Reviews) == 0:
		return env.say("This task has no checks: its work is taken as it is.")
	case len(d.Rounds) == 0:
		return env.say("No round has been judged yet.")
	}
	for i, r := range d.Rounds {
		if i > 0 {
			_, _ = fmt.Fprintln(env.Stdout)
		}
		if err := printRound(env, d.Task.Spec.Fence, r); err != nil {
			return err
		}
	}
	return nil
}

func printRound(env Env, spec *event.Fence, r control.Round) error {
	head := fmt.Sprintf("Round %d, %s ago", r.Round, words.Ago(r.Time, env.Now()))
	if r.Tree != "" {
		head += ", tree " + shortHash(r.Tree)
	}
	for _, mark := range []struct {
		set  bool
		text string
	}{{r.Reused, "the verdicts of the round before, for the same tree in the same environment"}, {r.Void != "", "void: " + r.Void}, {r.Moved, "void: the work changed while it was judged"}} {
		if mark.set {
			head += ", " + mark.text
		}
	}
	if err := env.line(clean(head, 400)); err != nil {
		return err
	}
	if in := words.JudgedIn(spec, r.RoundFinished); in != "" {
		if err := env.line("  " + clean(in, 200)); err != nil {
			return err
		}
	}
	var rows [][]string
	for _, c := range r.Results {
		rows = append(rows, []string{"  " + c.Name, verdict(env, c), c.Duration.Round(10 * time.Millisecond).String(), clean(c.Run, 200)})
	}
	if len(rows) == 0 {
		return nil
	}
	return env.table([]string{"  CHECK", "VERDICT", "TOOK", "COMMAND"}, rows)
}

func verdict(env Env, c event.CheckResult) string {
	text := words.Result(c)
	if !env.colour() {
		return text
	}
	if c.Green() {
		return "\x1b[32m" + text + "\x1b[0m"
	}
	return "\x1b[31m" + text + "\x1b[0m"
}

// printLog prints a file with output for people.
func printLog(env Env, path string) error {
	f, err := regular.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fault.Wrap(fault.NotFound, err, "the output is gone").WithHint("It is deleted when a task is removed.")
	}
	if err != nil {
		return fault.Wrap(fault.Failed, err, "read the output")
	}
	defer func() { _ = f.Close() }()
	w := env.forPeople()
	if _, err := io.Copy(w, f); err != nil {
		return fmt.Errorf("print %s: %w", path, err)
	}
	return w.Close()
}
