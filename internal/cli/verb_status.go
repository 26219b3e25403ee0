package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/home"
	"muster/internal/words"
)

const statusHelp = `Show the fleet's health: how many agents need supervision, and how many of them the supervisor judged when it last
looked at all of them, once a minute. The exit code is 1 if an act of the supervisor hangs, or if there are live tasks
without supervision: no supervisor runs, it has made no progress for three minutes, or it did not judge every agent.

  muster status
  muster status --json | jq .supervisor.running`

func newStatusCommand(env Env) *cobra.Command {
	c := verb(&cobra.Command{
		Use: "status", Short: "Show the fleet's health (`status set` is for agents)", Long: statusHelp, Args: cobra.NoArgs,
	}, groupLook)
	result[control.FleetStatus]{
		get: func(ctx context.Context, _ []string) (control.FleetStatus, error) {
			h, err := get(ctx, env, control.Status{})
			if err == nil && !h.Healthy {
				err = partial{quiet(fault.Failed)}
			}
			return h, err
		},
		show: func(h control.FleetStatus) error { return printHealth(env, h) },
	}.addTo(env, c)
	c.AddCommand(newStatusSetCommand(env))
	return c
}

func printHealth(env Env, h control.FleetStatus) error {
	now := env.Now()
	p := &page{env: env, now: now}
	p.field("supervisor", supervisorText(h, now))
	if r := h.RolledBack; r.To != "" {
		p.field("upgrade", fmt.Sprintf("to %s, rolled back %s ago: %s", r.To, words.Ago(r.At, now), r.Why))
	}
	tmux := "no server: " + h.Tmux.Socket
	if h.Tmux.Running {
		tmux = fmt.Sprintf("version %s, process %d, up for %s: %s", h.Tmux.Version, h.Tmux.PID, words.Ago(h.Tmux.Since, now), h.Tmux.Socket)
	}
	if h.Supervisor.Running {
		p.field("watch", watchText(h))
	}
	if why := h.Supervisor.Polling; why != "" {
		p.field("files", "POLLED every second, "+clean(why, 300))
	}
	p.field("tmux", tmux)
	p.field("gate", cmp.Or(h.Gate, "open: tasks may start"))
	for _, a := range h.Resting {
		p.field("account", accountLine(a, now))
	}
	for _, a := range h.Budgets {
		p.field("budget", clean(a.BudgetText(now), 200))
	}
	for _, q := range h.Merging {
		p.field("merge", clean(q.String(), 400))
	}
	var counts []string
	for _, s := range event.States() {
		if n := h.Tasks[s]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, s))
		}
	}
	p.field("tasks", cmp.Or(strings.Join(counts, ", "), "none"))
	p.field("slots", fmt.Sprintf("%d of %d in use, %s to be looked after", h.SlotsUsed, h.Slots, words.Count(h.Watched, "agent")))
	if len(h.Unpriced) > 0 {
		p.field("prices", "none for "+clean(strings.Join(h.Unpriced, ", "), 300)+": give them under [prices] in config.toml")
	}
	p.field("memory", gib(h.MemoryFree)+" free")
	p.field("disk", fmt.Sprintf("%s free at %s", gib(h.DiskFree), h.Home))
	if next := healthNext(h); next != "" {
		p.field("next", next)
	}
	return p.flush()
}

func supervisorText(h control.FleetStatus, now time.Time) string {
	switch {
	case h.Supervisor.Running:
		return fmt.Sprintf("up for %s, version %s, process %d", words.Ago(h.Supervisor.Since, now), h.Supervisor.Version, h.Supervisor.PID)
	case !h.Healthy:
		return "NOT RUNNING, with " + words.Count(h.Live, "live task") + " unattended"
	case h.Down:
		return "down, as it was told"
	}
	return "not running; no task is live"
}

func gib(n uint64) string { return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30)) }

// watchText describes how much of the fleet was judged.
func watchText(h control.FleetStatus) string {
	s := h.Supervisor
	if s.Progress.IsZero() {
		return "the supervisor has not looked at the fleet yet"
	}
	text := fmt.Sprintf("%d watched, %d judged %s ago", s.Watched, h.Judged, time.Duration(s.Idle)*time.Second)
	if h.Hung > 0 {
		text += fmt.Sprintf(", %d acts HANG", h.Hung)
	}
	switch {
	case s.Stuck:
		text += ": NO PROGRESS since then"
	case h.Judged < s.Watched:
		text += ": NOT ALL"
	}
	return text
}

// healthNext returns the command that fixes a fleet that is not healthy.
func healthNext(h control.FleetStatus) string {
	switch {
	case h.Healthy:
		return ""
	case h.Supervisor.Stuck:
		return fmt.Sprintf("kill -9 %d   (its keeper starts another one, and no agent notices; log: %s)", h.Supervisor.PID, home.Dir(h.Home).Log())
	case h.Supervisor.Running:
		return "look at " + home.Dir(h.Home).Log()
	}
	return "muster up"
}
