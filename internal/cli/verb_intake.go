package cli

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/fault"
)

const intakeHelp = `Queue tasks that are written elsewhere. See docs/intake.md.

  muster intake github --label muster
  muster intake github --label muster --follow --publish pr`

const intakeGithubHelp = `Queue a task for each open issue that has a label, in the repository on GitHub that work of this
checkout is pushed to. Each issue becomes one task, also if several fleets look at it: a comment on
the issue says that it is taken. The label is the permission, so only somebody who may set labels
can start a task. What the issue says is data: it is quoted in the prompt, and sets no option.

  muster intake github --label muster --publish pr
  muster intake github --label muster --follow --agent codex --scope 'docs/**'
  muster intake github --label muster --json | jq -r 'select(.task).url'`

func newIntakeCommand(env Env) *cobra.Command {
	c := verb(&cobra.Command{
		Use: "intake", Short: "Queue tasks that are written elsewhere (github)", Long: intakeHelp,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}, groupRun)
	c.AddCommand(newIntakeGithubCommand(env))
	return c
}

func newIntakeGithubCommand(env Env) *cobra.Command {
	take := control.TakeIssues{Dir: env.Dir}
	c := &cobra.Command{Use: "github --label L", Short: "Queue a task for each issue with a label", Long: intakeGithubHelp, Args: cobra.NoArgs}
	addOrderFlags(c.Flags(), &take.Options)
	c.Flags().StringVar(&take.Label, "label", "", "`NAME` of the label that allows an issue to become a task")
	c.Flags().BoolVarP(&take.Follow, "follow", "f", false, "look again each minute until Ctrl-C")
	c.Flags().IntVar(&take.Most, "most", 20, "take at most `N` issues at once")
	asJSON := jsonFlag(c, "one object a line for each issue")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := blankFlag(c.Flags()); err != nil {
			return err
		}
		switch {
		case take.Label == "":
			return fault.New(fault.Usage, "intake github needs the label that allows an issue to become a task").WithHint("Name it: muster intake github --label muster")
		case take.Most < 1:
			return fault.New(fault.Usage, "--most: %d is no number of issues", take.Most).WithHint("Use a number from 1 on.")
		}
		told, asked := map[string]bool{}, 0
		take.Tell = func(t control.TakenIssue) error {
			asked++
			for _, n := range t.Notices {
				if !told[n] {
					env.warn("notice: " + clean(n, 400))
				}
				told[n] = true
			}
			return printTaken(env, t, *asJSON)
		}
		take.Trouble = func(err error, pause time.Duration) {
			env.warn(fmt.Sprintf("%s. The next look is in %s.", clean(err.Error(), 400), pause.Round(time.Second)))
		}
		out, _, err := do(cmd.Context(), env, take)
		switch {
		case err != nil && len(out.Tasks) > 0:
			return partial{err}
		case err == nil && asked == 0 && !*asJSON:
			return env.say("No issue is new.")
		}
		return err
	}
	return c
}

// printTaken prints what has become of an issue.
func printTaken(env Env, t control.TakenIssue, asJSON bool) error {
	if asJSON {
		line, err := json.Marshal(t)
		if err != nil {
			return fmt.Errorf("print issue %d: %w", t.Number, err)
		}
		_, err = fmt.Fprintf(env.Stdout, "%s\n", line)
		return err
	}
	if t.Why != "" {
		env.warn(clean(fmt.Sprintf("Issue %d (%s) is left: %s", t.Number, t.Title, t.Why), 400))
		return nil
	}
	return env.line(clean(fmt.Sprintf("%s  %s  %s", t.Task, t.URL, t.Title), 400))
}
