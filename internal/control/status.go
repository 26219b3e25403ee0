package control

import (
	"context"
	"slices"
	"time"

	"muster/internal/boot"
	"muster/internal/event"
	"muster/internal/host"
	"muster/internal/store"
)

// Status asks for the state of the fleet, its supervisor, its tmux server and its machine.
type Status struct{}

// FleetStatus is the answer to Status.
type FleetStatus struct {
	// Healthy is false if there are live tasks without supervision: no supervisor runs, it has made no progress for
	// some minutes, or it did not judge every agent.
	Healthy    bool                `json:"healthy"`
	Home       string              `json:"home"`
	Down       bool                `json:"down"` // the fleet was told to be down
	Supervisor SupervisorStatus    `json:"supervisor"`
	RolledBack store.RolledBackRow `json:"rolled_back,omitzero"` // the newest upgrade, if it was rolled back
	Tmux       TmuxStatus          `json:"tmux"`
	Gate       string              `json:"gate"`    // why nothing new starts; "" if tasks may start
	Resting    []AccountStatus     `json:"resting"` // the accounts that are not free
	Budgets    []AccountStatus     `json:"budgets"` // the accounts that have a budget, and the night if it has one
	Merging    []MergeStatus       `json:"merging"` // the merge queues in which work waits
	Tasks      map[event.State]int `json:"tasks"`
	Live       int                 `json:"live"`    // neither ended nor parked
	Watched    int                 `json:"watched"` // agents' processes that need a supervisor
	Judged     int                 `json:"judged"`  // agents that the supervisor judged at its last look, of Supervisor.Watched
	Hung       int                 `json:"hung"`    // acts of the supervisor that were given up and have not come back
	Slots      int                 `json:"slots"`
	SlotsUsed  int                 `json:"slots_used"`
	Unpriced   []string            `json:"unpriced,omitempty"` // models of lately used tasks whose price is not known: their tokens count, their cost does not
	MemoryFree uint64              `json:"memory_free"`        // bytes
	DiskFree   uint64              `json:"disk_free"`          // bytes, where the state lies
}

// SupervisorStatus is the supervisor that runs, or the last one that did.
type SupervisorStatus struct {
	Running bool      `json:"running"`
	PID     int       `json:"pid,omitempty"`
	Version string    `json:"version,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	Stopped string    `json:"stopped,omitempty"` // why the last one ended
	// Progress is when it last looked at the whole fleet. Idle is the number of seconds since then, without the time
	// that the host slept.
	Progress time.Time `json:"progress,omitzero"`
	Idle     int       `json:"progress_seconds,omitempty"`
	Watched  int       `json:"watched"` // the number of agents at that time
	Stuck    bool      `json:"stuck"`   // it runs but makes no progress
	// Polling is why it reads all status files every second, instead of when they change; "" if it does not.
	Polling string `json:"polling,omitempty"`
}

// TmuxStatus is the fleet's tmux server.
type TmuxStatus struct {
	Running bool      `json:"running"`
	PID     int       `json:"pid,omitempty"`
	Version string    `json:"version,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	Socket  string    `json:"socket"`
}

// stuckAfter is the time without progress after which a supervisor is stuck; it looks at the whole fleet once a
// minute.
const stuckAfter = 3 * time.Minute

func (Status) get(ctx context.Context, c *Control, db *store.Store) (FleetStatus, error) {
	f, err := c.fleet()
	if err != nil {
		return FleetStatus{}, err
	}
	s, err := c.status(ctx, f, db)
	if err != nil {
		return FleetStatus{}, err
	}
	if id, err := f.Server().Identity(ctx); err == nil {
		s.Tmux.Running, s.Tmux.PID, s.Tmux.Version, s.Tmux.Since = true, id.PID, id.Version, id.Started
	}
	if mem, err := host.Mem(); err == nil {
		s.MemoryFree = mem.Available
	}
	if d, err := host.DiskAt(string(f.Home)); err == nil {
		s.DiskFree = d.Free
	}
	return s, nil
}

// status returns the part of Status that needs no other process: all but the state of the tmux server and of the machine.
func (c *Control) status(ctx context.Context, f boot.Fleet, db *store.Store) (FleetStatus, error) {
	of, err := Health{}.get(ctx, c, db)
	if err != nil {
		return FleetStatus{}, err
	}
	used, err := db.Slots(ctx)
	if err != nil {
		return FleetStatus{}, err
	}
	row := of.Fleet.Supervisor
	s := FleetStatus{
		Home: string(f.Home), Resting: []AccountStatus{}, Budgets: []AccountStatus{}, Down: f.ToldDown(), Gate: of.Fleet.Gate, Tasks: of.Counts, Slots: f.Slots(), SlotsUsed: used,
		Supervisor: SupervisorStatus{Running: of.Running, PID: row.PID, Version: row.Version, Since: row.At, Stopped: row.Stopped},
		RolledBack: of.Fleet.RolledBack,
		Tmux:       TmuxStatus{Socket: f.Server().Socket()},
	}
	if !of.Running {
		s.Supervisor.PID, s.Supervisor.Since = 0, time.Time{}
	}
	if s.Unpriced, err = db.Unpriced(ctx); err != nil {
		return FleetStatus{}, err
	}
	if s.Merging, err = mergeStatus(ctx, db); err != nil {
		return FleetStatus{}, err
	}
	all, err := Accounts{}.get(ctx, c, db)
	if err != nil {
		return FleetStatus{}, err
	}
	for _, a := range all {
		if a.State != accountFree {
			s.Resting = append(s.Resting, a)
		}
		if a.Spent != nil {
			s.Budgets = append(s.Budgets, a)
		}
	}
	s.count(of.Counts)
	s.Healthy = of.Running || s.Live == 0
	if of.Running {
		s.heartbeat(boot.ReadHeartbeat(f.Home, row.PID, row.At, f.Now()))
	}
	return s, nil
}

// count adds the numbers of tasks that are in certain states.
func (s *FleetStatus) count(tasks map[event.State]int) {
	for state, n := range tasks {
		if !state.Final() && state != event.Parked {
			s.Live += n
		}
		if runs(state) {
			s.Watched += n
		}
	}
}

// heartbeat adds the content of the supervisor's heartbeat.
func (s *FleetStatus) heartbeat(b boot.Heartbeat) {
	s.Judged, s.Hung = b.Judged, b.Hung
	s.Supervisor.Watched, s.Supervisor.Progress, s.Supervisor.Idle = b.Watched, b.At, int(b.Age.Seconds())
	s.Supervisor.Stuck = b.Age > stuckAfter
	s.Supervisor.Polling = b.Polling
	if s.Hung > 0 || s.Live > 0 && (s.Supervisor.Stuck || b.Judged < b.Watched) {
		s.Healthy = false
	}
}

// runs reports whether a task in this state has a process that needs a supervisor.
func runs(s event.State) bool {
	return slices.Contains([]event.State{
		event.Preparing, event.Starting, event.Working, event.Waiting, event.Stalled, event.Limited, event.Checking, event.Publishing,
	}, s)
}
