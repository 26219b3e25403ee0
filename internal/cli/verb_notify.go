package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"muster/internal/control"
)

const notifyHelp = `Be told when a task needs you: on a phone (ntfy), on the desktop, in Slack or Discord, by a webhook or by any program.
The channels are in config.toml under [notify.NAME]; docs/notifications.md has an example of each.

  muster notify test phone`

const notifyTestHelp = `Send a message through a channel, with what the environment that the fleet was started with has.

  muster notify test phone
  muster notify test team --json`

func newNotifyCommand(env Env) *cobra.Command {
	c := verb(&cobra.Command{
		Use: "notify", Short: "Try a channel by which you are told what needs you (test)", Long: notifyHelp,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}, groupSetup)
	test := &cobra.Command{Use: "test NAME", Short: "Send a message through a channel", Long: notifyTestHelp, Args: cobra.ExactArgs(1)}
	result[control.Noticed]{
		get: func(ctx context.Context, args []string) (control.Noticed, error) {
			return get(ctx, env, control.TestNotice{Channel: args[0]})
		},
		show: func(n control.Noticed) error {
			return env.say(fmt.Sprintf("%s has taken the message (%s).", n.Channel, n.Kind))
		},
	}.addTo(env, test)
	c.AddCommand(test)
	return c
}
