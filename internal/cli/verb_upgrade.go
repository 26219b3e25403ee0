package cli

import (
	"context"
	"fmt"

	"muster/internal/control"

	"github.com/spf13/cobra"

	"muster/internal/boot"
	"muster/internal/fault"
	"muster/internal/text"
)

const upgradeHelp = `Have another version of muster look after the fleet: the program BINARY, or else the one that you
call. Agents are not touched, and their hooks go on with the version that started them. It is first tried on a
copy of the state, and where it does not get ready in time the version before is back by itself.

  muster upgrade ./muster-1.5
  ~/.local/bin/muster upgrade`

func newUpgradeCommand(env Env) *cobra.Command {
	c := verb(&cobra.Command{
		Use: "upgrade [BINARY]", Short: "Have another version look after the fleet", Long: upgradeHelp, Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault // files
		},
	}, groupRun)
	result[boot.Upgraded]{
		get: func(ctx context.Context, args []string) (boot.Upgraded, error) {
			binary := env.Exe
			if len(args) > 0 {
				binary = env.path(args[0])
			}
			out, _, err := do(ctx, env, control.Upgrade{Program: binary})
			if err == nil && out.Upgrade.RolledBack {
				err = partial{rolledBack(env, out.Upgrade)}
			}
			return out.Upgrade, err
		},
		show: func(r boot.Upgraded) error { return env.say(upgradeText(r)) },
	}.addTo(env, c)
	return c
}

// rolledBack is the error of an upgrade that was rolled back.
func rolledBack(env Env, r boot.Upgraded) error {
	f, err := openFleet(env)
	if err != nil {
		return err
	}
	return fault.New(fault.Failed, "rolled back to %s: %s did not become ready: %s%s", r.From, r.To, r.Why, unattended(r)).
		WithHint("No agent was touched. Look at %s and at the supervisor's pane: %s", f.Home.Log(), text.Command(f.Server().AttachArgv(boot.HubSession, false)))
}

// upgradeText says what came of an upgrade; "" where an error says it.
func upgradeText(r boot.Upgraded) string {
	switch {
	case r.Already:
		return r.To + " is the fleet's program already."
	case r.Pending:
		return "The fleet is not up. The next `muster up` begins with " + r.To + "."
	case r.RolledBack:
		return ""
	}
	return fmt.Sprintf("%s looks after the fleet, in place of %s%s.", r.To, r.From, unattended(r))
}

// unattended says how long nothing supervised the fleet.
func unattended(r boot.Upgraded) string {
	if r.AwayMS == 0 {
		return ""
	}
	return fmt.Sprintf("; the fleet was unattended for %d ms", r.AwayMS)
}
