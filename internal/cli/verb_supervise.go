package cli

import (
	"log/slog"

	"github.com/spf13/cobra"

	"muster/internal/boot"
	"muster/internal/control"
	"muster/internal/daemon"
	"muster/internal/event"
	"muster/internal/keeper"
)

// newSuperviseCommand returns the hidden verb that the keeper runs.
func newSuperviseCommand(env Env) *cobra.Command {
	var preflight string
	c := &cobra.Command{
		Use: "supervise", Hidden: true, Args: cobra.NoArgs, Short: "Supervise the fleet (the keeper runs this).",
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := openFleet(env)
			if err != nil {
				return err
			}
			if preflight != "" {
				said, err := daemon.Preflight(cmd.Context(), preflight)
				if err != nil {
					return err
				}
				return printJSON(env.Stdout, said)
			}
			services, done, err := services(f, env)
			if err != nil {
				return err
			}
			defer done()
			kept, voice := keeper.ReadHandoff(env.Getenv)
			return daemon.Serve(cmd.Context(), daemon.Options{
				Fleet: f, Exe: env.Exe, Prologue: upgraded(kept), Ready: voice.Ready, Beat: voice.Beat, Wrap: env.Wrap,
				Services: services,
			})
		},
	}
	c.Flags().StringVar(&preflight, "preflight", "", "only report whether the database in `FILE`, a copy, is understood")
	return c
}

// services returns what runs beside a supervisor and needs what stands above it. done ends their access to the fleet.
func services(f boot.Fleet, env Env) (all map[string]daemon.Service, done func(), err error) {
	c, err := control.Open(f.Caller)
	if err != nil {
		return nil, nil, err
	}
	log := slog.New(slog.NewTextHandler(env.Stderr, nil))
	return map[string]daemon.Service{
		"recurring": control.Recurring{Control: c, Log: log}, "replies": control.Replies{Control: c, Log: log},
	}, func() { _ = c.Close() }, nil
}

// upgraded returns the first events of a supervisor that starts after an upgrade.
func upgraded(k keeper.Handoff) []event.Payload {
	switch {
	case k.To == "":
		return nil
	case k.Why != "":
		return []event.Payload{event.UpgradeRolledBack{From: k.From, To: k.To, Why: k.Why, Since: k.Since}}
	}
	return []event.Payload{event.SupervisorUpgraded{From: k.From, To: k.To, Since: k.Since}}
}

// newKeepCommand returns the hidden verb that runs in the supervisor's pane.
func newKeepCommand(env Env) *cobra.Command {
	var standIn bool
	c := &cobra.Command{
		Use: "keep", Hidden: true, Args: cobra.NoArgs, Short: "Keep the supervisor running (the tmux server's first pane runs this).",
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := openFleet(env)
			if err != nil {
				return err
			}
			if standIn {
				return f.StandIn()
			}
			return f.Keep(cmd.Context())
		},
	}
	c.Flags().BoolVar(&standIn, "stand-in", false, "only hold the pane while a supervisor runs in a terminal")
	return c
}
