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

const upgradeHelp = `Replace the program that runs the fleet: by the program BINARY, or otherwise by the one that you
call. Agents are not touched, and their hooks keep the version that started them. It is first tried on a
copy of the state. If it does not become ready in time, the previous version is restored automatically.

  muster upgrade ./muster-1.5
  ~/.local/bin/muster upgrade`

func newUpgradeCommand(env Env) *cobra.Command {
	c := verb(&cobra.Command{
		Use: "upgrade [BINARY]", Short: "Replace the program that runs the fleet", Long: upgradeHelp, Args: cobra.MaximumNArgs(1),
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

// rolledBack returns the error of an upgrade that was rolled back.
func rolledBack(env Env, r boot.Upgraded) error {
	f, err := openFleet(env)
	if err != nil {
		return err
	}
	return fault.New(fault.Failed, "rolled back to %s: %s did not become ready: %s%s", r.From, r.To, r.Why, unattended(r)).
		WithHint("No agent was touched. See %s and the supervisor's pane: %s", f.Home.Log(), text.Command(f.Server().AttachArgv(boot.HubSession, false)))
}

// upgradeText describes the outcome of an upgrade; "" if an error does.
func upgradeText(r boot.Upgraded) string {
	switch {
	case r.Already:
		return r.To + " is the fleet's program already."
	case r.Pending:
		return "The fleet is not up. The next `muster up` begins with " + r.To + "."
	case r.RolledBack:
		return ""
	}
	return fmt.Sprintf("%s runs the fleet now, instead of %s%s.", r.To, r.From, unattended(r))
}

// unattended describes how long no supervisor ran.
func unattended(r boot.Upgraded) string {
	if r.AwayMS == 0 {
		return ""
	}
	return fmt.Sprintf("; the fleet was unattended for %d ms", r.AwayMS)
}
