package cli

import (
	"context"
	"fmt"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"muster/internal/environ"
	"muster/internal/fault"
	"muster/internal/host"
	"muster/internal/lock"
	"muster/internal/run"
	"muster/internal/service"
)

const serviceHelp = `Let this machine bring the fleet back by itself: after a reboot, and when tmux and the keeper were
both killed. A systemd user unit, or a launchd agent on macOS. Stopping the service leaves agents
running. For a reboot without a login, systemd needs: loginctl enable-linger

  muster service install
  muster service status`

const serviceInstallHelp = `Install and start the service of this fleet. Saying it again brings it up to date.

  muster service install
  MUSTER_HOME=/srv/fleet muster service install     another fleet`

const serviceUninstallHelp = `Stop the service and remove it. The fleet and its agents run on.

  muster service uninstall
  muster service uninstall && muster down`

const serviceStatusHelp = `Say whether the service is installed, up to date and active.

  muster service status
  muster service status --json`

func newServiceCommand(env Env) *cobra.Command {
	c := verb(&cobra.Command{
		Use: "service", Short: "Bring the fleet back after a reboot (install, uninstall, status)", Long: serviceHelp,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}, groupSetup)
	c.AddCommand(
		serviceVerb(env, "install", "Install and start the service (again: bring it up to date)", serviceInstallHelp, installService),
		serviceVerb(env, "uninstall", "Stop and remove the service; agents run on", serviceUninstallHelp, uninstallService),
		serviceVerb(env, "status", "Say whether the service is installed and active", serviceStatusHelp, statusService),
		&cobra.Command{
			Use: "run", Hidden: true, Args: cobra.NoArgs, Short: "Bring the fleet up and wait until it is gone (the service runs this).",
			RunE: func(cmd *cobra.Command, _ []string) error {
				f, err := openFleet(env)
				if err != nil {
					return err
				}
				if err := f.giveWay("service", "run"); err != nil {
					return err
				}
				return f.serve(cmd.Context())
			},
		},
	)
	return c
}

// serviceVerb is one of the sub-verbs; each answers with the service's status.
func serviceVerb(env Env, name, about, help string, do func(context.Context, service.Service) (string, error)) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: name, Short: about, Long: help, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := theService(env)
			if err != nil {
				return err
			}
			said, err := do(cmd.Context(), s)
			if err != nil {
				return err
			}
			if !asJSON {
				return env.say(said)
			}
			st, err := s.Look(cmd.Context())
			if err != nil {
				return err
			}
			return printJSON(env.Stdout, st)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func theService(env Env) (service.Service, error) {
	h, _, err := env.home()
	if err != nil {
		return service.Service{}, err
	}
	s := service.Service{Home: h, Program: env.Exe, Env: env.Environ, Manager: service.Systemd}
	if runtime.GOOS == "darwin" {
		s.Manager = service.Launchd
	} else if _, err := run.LookPath("systemctl", env.Environ); err != nil {
		return s, fault.Wrap(fault.Conflict, err, "this machine has no systemd").
			WithHint("Run `muster up` at start in your own way, such as @reboot in crontab.")
	}
	return s, nil
}

func installService(ctx context.Context, s service.Service) (string, error) {
	return "The service " + s.Name() + " is installed: " + s.Path(), s.Install(ctx)
}

func uninstallService(ctx context.Context, s service.Service) (string, error) {
	return "The service " + s.Name() + " is gone; agents run on.", s.Uninstall(ctx)
}

func statusService(ctx context.Context, s service.Service) (string, error) {
	st, err := s.Look(ctx)
	switch {
	case err != nil:
		return "", err
	case !st.Installed:
		return "The service is not installed. `muster service install` installs it.", nil
	case !st.Current:
		return fmt.Sprintf("The service %s is installed and %s, but its file is of another version. `muster service install` renews it.", st.Name, st.Active), nil
	}
	return fmt.Sprintf("The service %s is installed and %s.", st.Name, st.Active), nil
}

// serve is the service's process: it brings the fleet up as it was last up, and sleeps until the keeper is gone.
// The kernel wakes it, so that waiting costs nothing. What it cannot mend it leaves to the service manager, which
// starts it again after a pause.
func (f fleetEnv) serve(ctx context.Context) error {
	if saved, err := environ.Load(f.home.Env()); err == nil {
		f.env.Environ = saved // a service has a poor environment; agents get the one of the last `muster up`
	}
	for {
		if _, err := os.Stat(f.home.Down()); err == nil {
			return nil // it was told to be down, and a reboot does not change that
		}
		if _, err := f.up(ctx); err != nil {
			return err
		}
		pid, ok := lock.Holder(f.home.KeeperLock())
		if !ok {
			return fault.New(fault.Failed, "the fleet came up, and its keeper is gone again").WithHint("Look at %s.", f.home.Log())
		}
		keeper, err := host.Identify(pid)
		if err != nil {
			continue // it has just gone
		}
		if err := host.Await(ctx, keeper); err != nil {
			return nil //nolint:nilerr // the service is stopped; the fleet goes on
		}
	}
}
