package cli

import (
	"context"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"muster/internal/fault"
	"muster/internal/run"
	"muster/internal/service"
)

const serviceHelp = `Make this machine restart the fleet: after a reboot, and after tmux and the keeper were
both killed. It is a systemd user unit, or a launchd agent on macOS. Stopping the service leaves agents
running. For a reboot without a login, systemd needs: loginctl enable-linger

  muster service install
  muster service status`

const serviceInstallHelp = `Install and start the service of this fleet. Running it again updates the service.

  muster service install
  MUSTER_HOME=/srv/fleet muster service install     another fleet`

const serviceUninstallHelp = `Stop the service and remove it. The fleet and its agents keep running.

  muster service uninstall
  muster service uninstall && muster down`

const serviceStatusHelp = `Show whether the service is installed, up to date and active.

  muster service status
  muster service status --json`

func newServiceCommand(env Env) *cobra.Command {
	c := verb(&cobra.Command{
		Use: "service", Short: "Restart the fleet after a reboot (install, uninstall, status)", Long: serviceHelp,
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
				if err := f.GiveWay("service", "run"); err != nil {
					return err
				}
				return f.ServeService(cmd.Context())
			},
		},
	)
	return c
}

// serviceVerb returns one of the sub-verbs. Each prints the service's status.
func serviceVerb(env Env, name, about, help string, do func(context.Context, service.Service) (string, error)) *cobra.Command {
	c := &cobra.Command{Use: name, Short: about, Long: help, Args: cobra.NoArgs}
	said := ""
	result[service.Status]{
		get: func(ctx context.Context, _ []string) (st service.Status, err error) {
			s, err := theService(env)
			if err != nil {
				return st, err
			}
			if said, err = do(ctx, s); err != nil {
				return st, err
			}
			return s.Look(ctx)
		},
		show: func(service.Status) error { return env.say(said) },
	}.addTo(env, c)
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
			WithHint("Run `muster up` at start by other means, such as @reboot in crontab.")
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
