package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"muster/internal/boot"
	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/home"
	"muster/internal/host"
	"muster/internal/store"
	"muster/internal/words"
)

const statusHelp = `Show the fleet's health: how many agents are to be watched, and how many of them the supervisor judged when it last
looked at all of them, which is once a minute. The exit code is 1 when tasks are live and nobody looks after them: no
supervisor runs, it has made no progress for three minutes, or it did not judge every agent.

  muster status
  muster status --json | jq .supervisor.running`

// health is what `status --json` prints.
type health struct {
	Healthy    bool                `json:"healthy"`
	Home       string              `json:"home"`
	Down       bool                `json:"down"` // it was told to be down
	Supervisor supervisorHealth    `json:"supervisor"`
	RolledBack store.RolledBackRow `json:"rolled_back,omitzero"` // the newest upgrade, if it was
	Tmux       tmuxHealth          `json:"tmux"`
	Gate       string              `json:"gate"` // why nothing new starts
	Tasks      map[event.State]int `json:"tasks"`
	Live       int                 `json:"live"`    // neither ended nor parked
	Watched    int                 `json:"watched"` // agents' processes that somebody has to look after
	Judged     int                 `json:"judged"`  // agents that the supervisor judged at its last look, of `supervisor.watched`
	Slots      int                 `json:"slots"`
	SlotsUsed  int                 `json:"slots_used"`
	MemoryFree uint64              `json:"memory_free"` // bytes
	DiskFree   uint64              `json:"disk_free"`   // bytes, where the state lies
}

type supervisorHealth struct {
	Running bool      `json:"running"`
	PID     int       `json:"pid,omitempty"`
	Version string    `json:"version,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	Stopped string    `json:"stopped,omitempty"` // why the last one ended
	// Progress is when it last looked at the whole fleet, and Idle how many seconds ago: time that the host slept is not
	// counted.
	Progress time.Time `json:"progress,omitzero"`
	Idle     int       `json:"progress_seconds,omitempty"`
	Watched  int       `json:"watched"` // agents that there were then
	Stuck    bool      `json:"stuck"`   // it runs, and makes no progress
}

type tmuxHealth struct {
	Running bool      `json:"running"`
	PID     int       `json:"pid,omitempty"`
	Version string    `json:"version,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	Socket  string    `json:"socket"`
}

func newStatusCommand(env Env) *cobra.Command {
	c := verb(&cobra.Command{
		Use: "status", Short: "Show the fleet's health (`status set` is for agents)", Long: statusHelp, Args: cobra.NoArgs,
	}, groupLook)
	result[health]{
		get: func(ctx context.Context, _ []string) (health, error) {
			h, err := readHealth(ctx, env)
			if err == nil && !h.Healthy {
				err = partial{quiet(fault.Failed)}
			}
			return h, err
		},
		show: func(h health) error { return printHealth(env, h) },
	}.addTo(env, c)
	c.AddCommand(newStatusSetCommand(env))
	return c
}

func readHealth(ctx context.Context, env Env) (health, error) {
	f, err := openFleet(env)
	if err != nil {
		return health{}, err
	}
	var of control.FleetHealth
	var tasks []store.Summary
	err = withControl(ctx, env, func(c *control.Control) (err error) {
		if of, err = control.Get(ctx, c, control.Health{}); err != nil {
			return err
		}
		tasks, err = control.Get(ctx, c, control.Tasks{})
		return err
	})
	if err != nil {
		return health{}, err
	}
	s := of.Fleet.Supervisor
	h := health{
		Home: string(f.Home), Down: env.down(), Gate: of.Fleet.Gate, Tasks: of.Counts, Slots: f.Slots(),
		Supervisor: supervisorHealth{Running: of.Running, PID: s.PID, Version: s.Version, Since: s.At, Stopped: s.Stopped},
		RolledBack: of.Fleet.RolledBack,
		Tmux:       tmuxHealth{Socket: f.Server().Socket()},
	}
	if !of.Running {
		h.Supervisor.PID, h.Supervisor.Since = 0, time.Time{}
	}
	for _, t := range tasks {
		if t.Slot {
			h.SlotsUsed++
		}
		if !t.State.Final() && t.State != event.Parked {
			h.Live++
		}
		if runs(t.State) {
			h.Watched++
		}
	}
	h.Healthy = of.Running || h.Live == 0
	if of.Running {
		h.beat(boot.ReadHeartbeat(f.Home, s.PID, s.At, env.Now()))
	}
	if id, err := f.Server().Identity(ctx); err == nil {
		h.Tmux.Running, h.Tmux.PID, h.Tmux.Version, h.Tmux.Since = true, id.PID, id.Version, id.Started
	}
	if mem, err := host.Mem(); err == nil {
		h.MemoryFree = mem.Available
	}
	if d, err := host.DiskAt(string(f.Home)); err == nil {
		h.DiskFree = d.Free
	}
	return h, nil
}

// runs tells whether a task in this state has a process that somebody has to look after.
func runs(s event.State) bool {
	return slices.Contains([]event.State{
		event.Preparing, event.Starting, event.Working, event.Waiting, event.Stalled, event.Limited, event.Checking, event.Publishing,
	}, s)
}

// stateOrder is how states are listed: as a task goes through them.
func stateOrder() []event.State {
	return []event.State{
		event.Queued, event.Blocked, event.Preparing, event.Starting, event.Working, event.Waiting, event.Stalled, event.Limited,
		event.Checking, event.Publishing, event.InReview, event.Parked, event.Done, event.Failed, event.Cancelled,
	}
}

func printHealth(env Env, h health) error {
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
	p.field("tmux", tmux)
	p.field("gate", cmp.Or(h.Gate, "open: tasks may start"))
	var counts []string
	for _, s := range stateOrder() {
		if n := h.Tasks[s]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, s))
		}
	}
	p.field("tasks", cmp.Or(strings.Join(counts, ", "), "none"))
	p.field("slots", fmt.Sprintf("%d of %d in use, %s to be looked after", h.SlotsUsed, h.Slots, words.Count(h.Watched, "agent")))
	p.field("memory", gib(h.MemoryFree)+" free")
	p.field("disk", fmt.Sprintf("%s free at %s", gib(h.DiskFree), h.Home))
	if next := h.next(); next != "" {
		p.field("next", next)
	}
	return p.flush()
}

func supervisorText(h health, now time.Time) string {
	switch {
	case h.Supervisor.Running:
		return fmt.Sprintf("up for %s, version %s, process %d", words.Ago(h.Supervisor.Since, now), h.Supervisor.Version, h.Supervisor.PID)
	case !h.Healthy:
		return "NOT RUNNING, and nobody looks after " + words.Count(h.Live, "live task")
	case h.Down:
		return "down, as it was told"
	}
	return "not running; there is nothing to look after"
}

func gib(n uint64) string { return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30)) }

// stuckAfter is how long a supervisor may make no progress: it looks at the whole fleet once a minute.
const stuckAfter = 3 * time.Minute

// beat adds to the health what the heartbeat means for it.
func (h *health) beat(p boot.Heartbeat) {
	h.Judged = p.Judged
	h.Supervisor.Watched, h.Supervisor.Progress, h.Supervisor.Idle = p.Watched, p.At, int(p.Age.Seconds())
	h.Supervisor.Stuck = p.Age > stuckAfter
	if h.Live > 0 && (h.Supervisor.Stuck || p.Judged < p.Watched) {
		h.Healthy = false
	}
}

// watchText says how much of the fleet was looked at.
func watchText(h health) string {
	s := h.Supervisor
	if s.Progress.IsZero() {
		return "the supervisor has not looked at the fleet yet"
	}
	text := fmt.Sprintf("%d watched, %d judged %s ago", s.Watched, h.Judged, time.Duration(s.Idle)*time.Second)
	switch {
	case s.Stuck:
		text += ": NO PROGRESS since then"
	case h.Judged < s.Watched:
		text += ": NOT ALL"
	}
	return text
}

// next is the command that a person takes a fleet on with that is not well.
func (h health) next() string {
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
