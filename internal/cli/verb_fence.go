package cli

import (
	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/fault"
)

const fenceHelp = `Run a command in the fence, as an agent or a check in this checkout would run it, whatever [fence] mode says.
It can write in the checkout, in $TMPDIR and in the fleet's caches. The exit status is the command's own. In the
main checkout of a repository it can also write .git; an agent, in its worktree, can only commit.

  muster fence -- go test ./...
  muster fence -- sh -c 'ls ~/.ssh'`

func newFenceCommand(env Env) *cobra.Command {
	return verb(&cobra.Command{
		Use: "fence -- CMD [ARG]…", Short: "Run a command as a fenced agent would", Long: fenceHelp,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fault.New(fault.Usage, "fence needs a command").WithHint("Usage: muster fence -- CMD [ARG]…")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			command, err := control.FencedCommand(c.Context(), env.caller(), env.Dir, args)
			if err != nil {
				return err
			}
			return command.Exec()
		},
	}, groupSetup)
}
