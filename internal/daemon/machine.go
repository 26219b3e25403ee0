package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"muster/internal/boot"
	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/fleet"
	"muster/internal/home"
	"muster/internal/host"
	"muster/internal/life"
	"muster/internal/lock"
	"muster/internal/regular"
	"muster/internal/scarce"
)

// machine implements fleet.Processes and fleet.Admission with package host.
type machine struct {
	home   home.Dir
	deaths *host.Deaths
	out    chan fleet.Death
	log    *slog.Logger

	gateMu sync.Mutex
	room   boot.Room
	gate   string    // what Closed returned
	gateAt time.Time // the time of the measurement
}

func newMachine(f boot.Fleet, log *slog.Logger) (*machine, error) {
	d, err := host.NewDeaths()
	if err != nil {
		return nil, err
	}
	return &machine{home: f.Home, room: f.Room(), deaths: d, out: make(chan fleet.Death), log: log}, nil
}

// Serve forwards deaths until ctx ends.
func (m *machine) Serve(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case d := <-m.deaths.C():
			select {
			case m.out <- fleet.Death{Token: d.Token, Exit: d.Exit, Signal: d.Signal, Known: d.Known}:
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// Identify implements fleet.Processes.
func (m *machine) Identify(pid int) (event.ProcessRef, bool) {
	p, err := host.Identify(pid)
	if err != nil {
		return event.ProcessRef{}, false
	}
	return event.ProcessRef(p), true
}

// Stopped implements fleet.Processes.
func (m *machine) Stopped(p event.ProcessRef) bool { return host.Process(p).Stopped() }

// watchAgain is the pause before another attempt to watch a process after a shortage of descriptors.
const watchAgain = 2 * time.Second

// Watch implements fleet.Processes.
func (m *machine) Watch(p event.ProcessRef, token any) {
	err := m.deaths.Watch(host.Process(p), token)
	if err == nil {
		return
	}
	m.log.Error("watch process", "pid", p.PID, "err", err)
	if scarce.Is(err) { // the end of an unwatched process would not be noticed
		time.AfterFunc(watchAgain, func() { m.Watch(p, token) })
	}
}

// Deaths implements fleet.Processes.
func (m *machine) Deaths() <-chan fleet.Death { return m.out }

// End implements fleet.Processes. It ends the agent's process with all its descendants, and every process with the
// task's marker in its environment: the absolute path of its worktree, which is unique among all fleets.
func (m *machine) End(ctx context.Context, t life.Task, grace time.Duration) error {
	// Everything that an agent starts inherits the descriptor of its lock.
	e := host.Ending{Grace: grace, Held: m.home.AliveLock(t.ID), Group: m.group(t.ID)}
	if t.Worktree != "" {
		e.Mark = [2]string{environ.Worktree, t.Worktree}
	}
	if t.Agent.Process.PID != 0 {
		e.Procs = append(e.Procs, host.Process(t.Agent.Process))
	}
	if t.Agent.Why == event.WhyCrash && t.Agent.Process.PID == 0 { // the generation after the crash is not launched yet
		// What a killed program has left in its process group is the rest of the agent, such as the child of its launcher. It must not
		// go on by itself, nor see its tools end and tell the model.
		if pid, lives := lock.Holder(e.Held); !lives {
			e.Headless = pid
		}
	}
	left, err := host.End(ctx, e)
	if err != nil {
		return fmt.Errorf("end what %s started: %w", t.ID, err)
	}
	if len(left) > 0 {
		return fmt.Errorf("end what %s started: %v is still there", t.ID, left)
	}
	if e.Group != "" {
		if err := host.LeaveCgroup(e.Group); err != nil {
			m.log.Warn("remove the control group of a task", "task", t.ID, "err", err)
		}
	}
	return nil
}

// jobGrace is the minimum time that the runner of a job gets to end its children.
const jobGrace = 2 * time.Second

// EndJob implements fleet.Processes. The runner holds the lock of the task's job from before it waits for a slot. On
// SIGTERM it ends its step and leaves no result.
func (m *machine) EndJob(ctx context.Context, id event.TaskID, runner event.ProcessRef, grace time.Duration) error {
	e := host.Ending{Grace: max(grace, jobGrace)}
	if runner.PID != 0 {
		e.Procs = append(e.Procs, host.Process(runner))
	}
	for _, path := range []string{m.home.CheckLock(id), m.home.OldCheckLock(id)} {
		if held, err := lock.Held(path); err != nil || !held { // without a held lock no job runs
			continue
		}
		if pid, ok := lock.Holder(path); ok && pid != runner.PID {
			if holder, err := host.Identify(pid); err == nil {
				e.Procs = append(e.Procs, holder)
			}
		}
	}
	if len(e.Procs) == 0 {
		return nil
	}
	left, err := host.End(ctx, e)
	switch {
	case err != nil:
		return fmt.Errorf("end the job of %s: %w", id, err)
	case len(left) > 0:
		return fmt.Errorf("end the job of %s: %v is still there", id, left)
	}
	return nil
}

// group returns the control group of a task's agents; "" if there is none. An agent can write the note as well, so
// only a group with the expected name is accepted.
func (m *machine) group(id event.TaskID) string {
	b, err := regular.Read(m.home.CgroupNote(id), 1<<12)
	dir := string(b)
	if err != nil || filepath.Clean(dir) != dir || !strings.HasPrefix(dir, "/sys/fs/cgroup/") || filepath.Base(dir) != m.home.Cgroup(id) {
		return ""
	}
	return dir
}

// Holder implements fleet.Processes.
func (m *machine) Holder(id event.TaskID) (int, bool) {
	held, err := lock.Held(m.home.AliveLock(id))
	if err != nil || !held {
		return 0, false
	}
	pid, _ := lock.Holder(m.home.AliveLock(id))
	return pid, true
}

// gateAge is how long a measurement of memory and disk is used. A turn of the supervisor takes less than a
// millisecond, and reading a dozen kernel files in each turn would take longer.
const gateAge = time.Second

// Closed implements fleet.Admission.
func (m *machine) Closed() string {
	m.gateMu.Lock()
	defer m.gateMu.Unlock()
	if now := time.Now(); m.gateAt.IsZero() || now.Sub(m.gateAt) > gateAge {
		m.gate, m.gateAt = m.room.Short(), now
	}
	return m.gate
}

// Signal implements fleet.Processes.
func (m *machine) Signal(p event.ProcessRef, signal int) error {
	return host.Process(p).Signal(syscall.Signal(signal))
}
