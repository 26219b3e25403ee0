package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/lock"
)

const downHelp = `Stop the supervisor. Agents are left running unless told otherwise; nobody looks after them until
the next ` + "`muster up`" + `, which takes them up where they stand.

  muster down            agents run on
  muster down --drain    nothing new starts; down when all that runs has ended
  muster down --kill     agents are ended, too, and resumed at the next up`

func newDownCommand(env Env) *cobra.Command {
	var drain, kill, asJSON bool
	var limit time.Duration
	c := verb(&cobra.Command{
		Use: "down", Short: "Stop the supervisor, and on request the agents", Long: downHelp, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			mode := event.DownLeave
			switch {
			case drain && kill:
				return fault.New(fault.Usage, "--drain and --kill exclude each other").WithHint("Leave one of them out.")
			case drain:
				mode = event.DownDrain
			case kill:
				mode = event.DownKill
			}
			f, err := openFleet(env)
			if err != nil {
				return err
			}
			if err := f.down(cmd.Context(), mode, limit); err != nil {
				return err
			}
			if asJSON {
				return printJSON(env.Stdout, map[string]any{"down": true, "mode": mode})
			}
			_, err = fmt.Fprintln(env.Stdout, "The fleet is down.")
			return err
		},
	}, groupRun)
	c.Flags().BoolVar(&drain, "drain", false, "wait until all that runs has ended")
	c.Flags().BoolVar(&kill, "kill", false, "end the agents, too; they are resumed at the next up")
	c.Flags().DurationVar(&limit, "timeout", 0, "wait no longer than `TIME` (default: 1m, with --drain without end)")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// down tells the fleet to be down and waits until it is.
func (f fleetEnv) down(ctx context.Context, mode event.DownMode, limit time.Duration) error {
	if err := os.WriteFile(f.home.Down(), nil, 0o600); err != nil {
		return fault.Wrap(fault.Failed, err, "mark the fleet as down").WithHint("Make %s writable.", f.home)
	}
	if limit == 0 && mode != event.DownDrain {
		limit = time.Minute
	}
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	c, err := openControl(ctx, f.env)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	supervised, err := lock.Held(f.home.Lock()) // before it is told to: it may be gone at once
	if err != nil {
		return err
	}
	out, err := c.Do(ctx, control.Down{Mode: mode})
	if err != nil {
		return err
	}
	var alone error
	if !supervised { // a conflict is a keeper that started one meanwhile, which is told by now, too
		if alone = f.downAlone(ctx, mode); fault.CodeOf(alone) != fault.Conflict {
			return alone
		}
	}
	for e, err := range c.Watch(ctx, out.Seq, "") {
		if err != nil {
			break
		}
		if _, ok := e.Data.(event.SupervisorStopped); ok {
			return errors.Join(f.awaitUnlocked(ctx), f.endServer(ctx, mode))
		}
	}
	if alone != nil {
		return alone
	}
	return fault.New(fault.Timeout, "the fleet is not down yet").WithHint("`muster status` tells what still runs; `muster down --kill` ends it.")
}

// downAlone goes down where nobody supervises. If agents shall end, this process is the supervisor for as long as
// that takes.
func (f fleetEnv) downAlone(ctx context.Context, mode event.DownMode) error {
	if mode == event.DownLeave {
		return nil
	}
	if _, err := f.server().Identity(ctx); err == nil {
		f.env.Stderr = io.Discard // its log has a file
		exe, err := f.program()   // what it starts outlives this process, and maybe its program
		if err != nil {
			return err
		}
		if err := f.supervise(ctx, exe); err != nil {
			return err
		}
	}
	return f.endServer(ctx, mode)
}

// awaitUnlocked waits until the supervisor, which has written its last word, has let go of its lock: whoever looks
// after `down` shall find none. The keeper follows in a moment: one that looked only after the next `up` whether the
// fleet is down would go on, beside a supervisor in somebody's terminal.
func (f fleetEnv) awaitUnlocked(ctx context.Context) error {
	if err := awaitFree(ctx, f.home.Lock()); err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, keeperEnd)
	defer cancel()
	if err := awaitFree(limit, f.home.KeeperLock()); err != nil && limit.Err() == nil {
		return err
	}
	return ctx.Err()
}

// awaitFree waits until nobody holds a lock.
func awaitFree(ctx context.Context, path string) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		held, err := lock.Held(path)
		if err != nil || !held {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// endServer ends the tmux server where no session of a task needs it: with agents, or last screens, it stays.
func (f fleetEnv) endServer(ctx context.Context, mode event.DownMode) error {
	if mode != event.DownKill {
		return nil
	}
	if err := f.server().Kill(ctx); err != nil {
		return err
	}
	// The keeper outlives its server for a moment, to see whether the fleet was told to be down. Who removes the state
	// directory behind us must not take that mark away from under it.
	limit, cancel := context.WithTimeout(ctx, keeperEnd)
	defer cancel()
	if err := awaitFree(limit, f.home.KeeperLock()); err != nil {
		return fault.Wrap(fault.Timeout, err, "the keeper has not ended yet").WithHint("Say `muster down --kill` once more.")
	}
	return nil
}

// keeperEnd is how long a keeper may take to see that its server is gone.
const keeperEnd = 10 * time.Second
