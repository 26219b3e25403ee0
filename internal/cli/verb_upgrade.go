package cli

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"muster/internal/boot"
	"muster/internal/fault"
)

const upgradeHelp = `Have another version of muster look after the fleet: the program BINARY, or else the one that you
call. Agents are not touched, and their hooks go on with the version that started them. It is first tried on a
copy of the state, and where it does not get ready in time the version before is back by itself.
Exit code 1: it was rolled back. Exit code 4: it was refused, and nothing was changed.

  muster upgrade ./muster-1.5
  ~/.local/bin/muster upgrade`

func newUpgradeCommand(env Env) *cobra.Command {
	var asJSON bool
	c := verb(&cobra.Command{
		Use: "upgrade [BINARY]", Short: "Have another version look after the fleet", Long: upgradeHelp, Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault // files
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := openFleet(env)
			if err != nil {
				return err
			}
			binary := env.Exe
			if len(args) > 0 {
				binary = args[0]
				if !filepath.IsAbs(binary) {
					binary = filepath.Join(env.Dir, binary)
				}
			}
			r, err := f.Upgrade(cmd.Context(), binary)
			if err != nil {
				return err
			}
			if err := tellUpgrade(env, f, r, asJSON); err != nil {
				return err
			}
			f.Sweep(cmd.Context())
			return nil
		},
	}, groupRun)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// tellUpgrade says what became of it; an error if it was rolled back.
func tellUpgrade(env Env, f boot.Fleet, r boot.Upgraded, asJSON bool) error {
	if asJSON {
		err := printJSON(env.Stdout, r)
		if err == nil && r.RolledBack {
			err = quiet(fault.Failed)
		}
		return err
	}
	away := ""
	if r.AwayMS > 0 {
		away = fmt.Sprintf("; the fleet was unattended for %d ms", r.AwayMS)
	}
	switch {
	case r.Already:
		return env.say(r.To + " is the fleet's program already.")
	case r.Pending:
		return env.say("The fleet is not up. The next `muster up` begins with " + r.To + ".")
	case r.RolledBack:
		return fault.New(fault.Failed, "%s is back, since %s failed: %s%s", r.From, r.To, r.Why, away).
			WithHint("No agent was touched. Look at %s and at the supervisor's pane: %s", f.Home.Log(), printable(f.Server().AttachArgv(boot.HubSession, false)))
	}
	return env.say(fmt.Sprintf("%s looks after the fleet, in place of %s%s.", r.To, r.From, away))
}
