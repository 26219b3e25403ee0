package cli

import (
	"bufio"
	"context"
	"fmt"
	"strings"
	"time"

	"muster/internal/text"

	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/run"
)

const attachHelp = `Show a task's agent in its own terminal, and work with it if you like; the status line shows how to
leave. A parked or ended task still shows its last screen as long as its session exists. You can have
the conversation of a parked task resumed first.

  muster attach t3
  muster attach t3 --check
  $(muster attach t3 --print --read-only)`

// backLimit is how long a resumed conversation may take to start; it may have to wait for a slot.
const backLimit = time.Minute

type attachOptions struct{ print, readOnly, check, json bool }

func newAttachCommand(env Env) *cobra.Command {
	var o attachOptions
	c := verb(&cobra.Command{
		Use: "attach ID", Short: "Show an agent in its own terminal", Long: attachHelp, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return attach(cmd.Context(), env, o, args[0]) },
	}, groupLook)
	c.Flags().BoolVar(&o.print, "print", false, "print the tmux command instead of running it")
	c.Flags().BoolVar(&o.readOnly, "read-only", false, "only look: keys do nothing")
	c.Flags().BoolVar(&o.check, "check", false, "look at the window in which checks run")
	c.Flags().BoolVar(&o.json, "json", false, "print the tmux command as JSON instead of running it")
	return c
}

func attach(ctx context.Context, env Env, o attachOptions, ref string) error {
	show := o.print || o.json
	if !show && isTerminal(env.Stdin) && isTerminal(env.Stdout) {
		if err := offerBack(ctx, env, ref); err != nil {
			return err
		}
	}
	a, err := get(ctx, env, control.Attach{Ref: ref, Checks: o.check, ReadOnly: o.readOnly})
	switch {
	case err != nil:
		return err
	case o.json:
		return printJSON(env.Stdout, map[string]any{"task": a.Task.ID, "session": a.Task.Session, "argv": a.Argv})
	case o.print:
		return env.say(text.Command(a.Argv))
	}
	return replaceBy(env, a)
}

// replaceBy turns this process into the terminal's tmux client, so that no process of muster remains in between.
func replaceBy(env Env, a control.Attachment) error {
	path, err := run.LookPath(a.Argv[0], env.Environ)
	if err != nil {
		return fault.Wrap(fault.Conflict, err, "find tmux").WithHint("Install tmux.")
	}
	return run.Replace(path, a.Argv, a.Env)
}

// offerBack asks whether to resume the conversation of a parked task, and waits until it has started.
func offerBack(ctx context.Context, env Env, ref string) error {
	t, err := get(ctx, env, control.One{Ref: ref})
	if err != nil || t.State != event.Parked {
		return err
	}
	_, err = fmt.Fprintf(env.Stderr, "%s is parked: its agent has ended, and this is its last screen.\nBring its conversation back first? [y/N] ", t.ID)
	if err != nil {
		return err
	}
	answer, err := bufio.NewReader(env.Stdin).ReadString('\n')
	if err != nil || !strings.HasPrefix(strings.ToLower(strings.TrimSpace(answer)), "y") {
		return nil // Ctrl-D means no
	}
	out, _, err := do(ctx, env, control.Retry{Task: t.ID})
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, backLimit)
	defer cancel()
	return withControl(env, func(c *control.Control) error {
		for e, err := range c.Watch(limited, out.Seq, t.ID) {
			if err != nil {
				return err
			}
			if _, launched := e.Data.(event.AgentLaunched); launched {
				return nil
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fault.New(fault.Timeout, "%s is not back yet", t.ID).WithHint("It may wait for a slot: muster show %s", t.ID)
	})
}
