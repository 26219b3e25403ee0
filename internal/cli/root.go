package cli

import (
	"context"
	"errors"
	"strings"

	"muster/internal/boot"

	"github.com/spf13/cobra"

	"muster/internal/control"
)

// The groups of the help.
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

// newRoot builds the command tree.
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
		return root.ExecuteContext(ctx) // a shell asks what could come next
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

// verb puts a verb into its group of the help.
func verb(c *cobra.Command, group string) *cobra.Command {
	c.GroupID = group
	return c
}

// openControl opens the fleet's store for a verb.
func openControl(ctx context.Context, env Env) (*control.Control, error) {
	h, _, err := env.home()
	if err != nil {
		return nil, err
	}
	if err := h.Create(); err != nil {
		return nil, err
	}
	return control.Open(ctx, h, control.Options{Now: env.Now, Version: boot.Version()})
}

// withControl opens the store for the length of one call.
func withControl(ctx context.Context, env Env, fn func(*control.Control) error) error {
	c, err := openControl(ctx, env)
	if err != nil {
		return err
	}
	return errors.Join(fn(c), c.Close())
}

// get answers one query.
func get[R any](ctx context.Context, env Env, q control.Query[R]) (r R, err error) {
	err = withControl(ctx, env, func(c *control.Control) error {
		r, err = control.Get(ctx, c, q)
		return err
	})
	return r, err
}

// request carries out a command that the supervisor has to act on, and sees to it that there is one.
func request(ctx context.Context, env Env, cmd control.Command) (control.Outcome, error) {
	var out control.Outcome
	f, err := openFleet(env)
	if err != nil {
		return out, err
	}
	if err := f.CanBeUp(ctx); err != nil {
		return out, err
	}
	err = withControl(ctx, env, func(c *control.Control) (err error) {
		out, err = c.Do(ctx, cmd)
		return err
	})
	if err != nil {
		return out, err
	}
	return out, ensureUp(ctx, env, f)
}
