package cli

import (
	"bufio"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/fleet"
	"muster/internal/life"
	"muster/internal/run"
	"muster/internal/text"
	"muster/internal/tmux"
)

const attachHelp = `Look at a task's agent in its own terminal, and work with it if you like; the status line says how to
leave. A task that is parked or over still shows its last screen, as long as its session is kept; to a
parked one its conversation is brought back first if you want.

  muster attach t3
  muster attach t3 --check
  $(muster attach t3 --print --read-only)`

// backLimit is how long a conversation that is brought back may take to be there; it may have to wait for a slot.
const backLimit = time.Minute

type attachOptions struct{ print, readOnly, check, json bool }

func newAttachCommand(env Env) *cobra.Command {
	var o attachOptions
	c := verb(&cobra.Command{
		Use: "attach ID", Short: "Look at an agent in its own terminal", Long: attachHelp, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return attach(cmd.Context(), env, o, args[0]) },
	}, groupLook)
	c.Flags().BoolVar(&o.print, "print", false, "print the tmux command instead of running it")
	c.Flags().BoolVar(&o.readOnly, "read-only", false, "only look: keys do nothing")
	c.Flags().BoolVar(&o.check, "check", false, "look at the window in which checks run")
	c.Flags().BoolVar(&o.json, "json", false, "print the tmux command as JSON instead of running it")
	return c
}

func attach(ctx context.Context, env Env, o attachOptions, ref string) error {
	f, err := openFleet(env)
	if err != nil {
		return err
	}
	t, err := findTask(ctx, env, ref)
	if err != nil {
		return err
	}
	show := o.print || o.json
	if !show && t.State == event.Parked && isTerminal(env.Stdin) && isTerminal(env.Stdout) {
		if err := offerBack(ctx, env, t); err != nil {
			return err
		}
	}
	role := fleet.RoleAgent
	if o.check {
		role = fleet.RoleCheck
	}
	var argv []string
	found, err := taskPane(ctx, f, t.ID, role, func(_ *tmux.Client, p tmux.Pane) error {
		target := p.SessionName
		if o.check {
			target += ":" + string(p.Window)
		}
		argv = f.Server().AttachArgv(target, o.readOnly)
		return nil
	})
	switch {
	case err != nil:
		return err
	case !found:
		return noSession(t, role)
	case o.json:
		return printJSON(env.Stdout, map[string]any{"task": t.ID, "session": t.Session, "argv": argv})
	case o.print:
		return env.say(text.Command(argv))
	}
	return replaceBy(env, argv)
}

// replaceBy makes this process the terminal's client: nothing of ours stays between the person and the agent.
func replaceBy(env Env, argv []string) error {
	path, err := run.LookPath(argv[0], env.Environ)
	if err != nil {
		return fault.Wrap(fault.Conflict, err, "find tmux").WithHint("Install tmux.")
	}
	var vars []string
	for _, kv := range env.Environ {
		// Inside another tmux a client refuses to start: that one is not ours, and may hold it.
		if !strings.HasPrefix(kv, "TMUX=") && !strings.HasPrefix(kv, "TMUX_PANE=") {
			vars = append(vars, kv)
		}
	}
	return run.Replace(path, argv, vars)
}

// noSession says why there is nothing to look at.
func noSession(t life.Task, role string) error {
	switch {
	case role == fleet.RoleCheck:
		return fault.New(fault.Conflict, "%s has no window of checks", t.ID).WithHint("See what they said: muster checks %s", t.ID)
	case t.Removed:
		return fault.New(fault.Conflict, "%s was removed, and its session with it", t.ID)
	case t.Gen == 0:
		return fault.New(fault.Conflict, "%s is %s: it has no session yet", t.ID, t.State).WithHint("`muster show %s` tells what it waits for.", t.ID)
	case t.State == event.Parked:
		return fault.New(fault.Conflict, "the session of %s is gone", t.ID).WithHint("Bring its conversation back: muster retry %s", t.ID)
	}
	return fault.New(fault.Conflict, "%s is %s, and its session is gone", t.ID, t.State).
		WithHint("What is left of it: muster show %s, muster diff %s", t.ID, t.ID)
}

// offerBack asks whether the conversation of a parked task shall be brought back, and waits until it is there.
func offerBack(ctx context.Context, env Env, t life.Task) error {
	_, err := fmt.Fprintf(env.Stderr, "%s is parked: its agent has ended, and this is its last screen.\nBring its conversation back first? [y/N] ", t.ID)
	if err != nil {
		return err
	}
	answer, err := bufio.NewReader(env.Stdin).ReadString('\n')
	if err != nil || !strings.HasPrefix(strings.ToLower(strings.TrimSpace(answer)), "y") {
		return nil // Ctrl-D, too, is a no
	}
	r, err := askSupervisor(ctx, env, "retry", t.ID, control.Retry{Task: t.ID})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, backLimit)
	defer cancel()
	err = watchFor(ctx, env, r.Seq, t.ID, func(e event.Event) bool {
		_, launched := e.Data.(event.AgentLaunched)
		return launched
	})
	if fault.Is(err, fault.Timeout) {
		return fault.Wrap(fault.Timeout, err, "%s is not back yet", t.ID).WithHint("It may wait for a slot: muster show %s", t.ID)
	}
	return err
}
