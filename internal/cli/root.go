package cli

import (
	"context"
	"errors"
	"strings"

	"muster/internal/life"

	"github.com/spf13/cobra"

	"muster/internal/control"
)

// Groups of verbs in the help.
const (
	groupRun   = "run"
	groupLook  = "look"
	groupTalk  = "talk"
	groupEnd   = "end"
	groupAgent = "agent"
	groupSetup = "setup"
)

const rootHelp = `muster sees a fleet of coding agents through the night: it queues tasks, starts each
agent in its own tmux session, runs the project's checks on what it produces, hands
failures back to it, and publishes what passes.

  muster demo                    the whole story in a minute, no account needed
  muster init                    write muster.toml for this repository
  muster dispatch "fix the bug"  queue a task; it starts when a slot is free
  muster ls                      what is going on`

// newRoot returns the command tree.
func newRoot(env Env) *cobra.Command {
	root := &cobra.Command{
		Use: "muster", Short: "See a fleet of coding agents through the night", Long: rootHelp,
		SilenceUsage: true, SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	root.AddGroup(
		&cobra.Group{ID: groupRun, Title: "Run:"},
		&cobra.Group{ID: groupLook, Title: "Look:"},
		&cobra.Group{ID: groupTalk, Title: "Talk:"},
		&cobra.Group{ID: groupEnd, Title: "End:"},
		&cobra.Group{ID: groupAgent, Title: "For agents, in their own shell:"},
		&cobra.Group{ID: groupSetup, Title: "Set up:"},
	)
	for _, c := range verbs(env) {
		root.AddCommand(c)
	}
	dress(env, root)
	root.SetHelpCommand(&cobra.Command{Use: "help [VERB]", Short: "Help about a verb", Hidden: true, RunE: func(_ *cobra.Command, args []string) error {
		target, _, err := root.Find(args)
		if err != nil {
			return unknownVerb(root, strings.Join(args, " "))
		}
		return target.Help()
	}})
	root.InitDefaultHelpCmd()
	return root
}

// execute runs one call.
func execute(ctx context.Context, args []string, env Env) error {
	root := newRoot(env)
	root.SetArgs(args)
	if len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd) {
		return root.ExecuteContext(ctx) // a shell asks for completions
	}
	if cmd, rest, err := root.Find(args); err != nil || cmd == root && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		word := ""
		if len(args) > 0 {
			word = args[0]
		}
		return unknownVerb(root, word)
	}
	return root.ExecuteContext(ctx)
}

// verb puts a verb into its group in the help.
func verb(c *cobra.Command, group string) *cobra.Command {
	c.GroupID = group
	return c
}

// withControl opens the fleet for one call.
func withControl(env Env, fn func(*control.Control) error) error {
	c, err := control.Open(env.caller())
	if err != nil {
		return err
	}
	return errors.Join(fn(c), c.Close())
}

// get answers one query.
func get[R any](ctx context.Context, env Env, q control.Query[R]) (r R, err error) {
	err = withControl(env, func(c *control.Control) error {
		r, err = control.Get(ctx, c, q)
		return err
	})
	return r, err
}

// do carries out one command and waits for its effect. done is the task after that.
func do(ctx context.Context, env Env, cmd control.Command) (out control.Outcome, done life.Task, err error) {
	err = withControl(env, func(c *control.Control) error {
		if out, err = c.Do(ctx, cmd); err != nil || out.Task == "" {
			return err
		}
		if out.Down {
			env.warn("The fleet is down: this is kept until `muster up`.")
		}
		done, err = c.Await(ctx, out)
		return err
	})
	return out, done, err
}
