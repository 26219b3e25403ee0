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
	"muster/internal/config"
	"muster/internal/event"
	"muster/internal/fleet"
	"muster/internal/home"
	"muster/internal/host"
	"muster/internal/life"
	"muster/internal/lock"
	"muster/internal/regular"
	"muster/internal/scarce"
)

// machine plugs the host into fleet.Machine.
type machine struct {
	home   home.Dir
	limits config.Fleet
	deaths *host.Deaths
	out    chan fleet.Death
	log    *slog.Logger

	gateMu sync.Mutex
	gate   string    // what Gate said
	gateAt time.Time // when
	lack   lack      // why
}

func newMachine(h home.Dir, limits config.Fleet, log *slog.Logger) (*machine, error) {
	d, err := host.NewDeaths()
	if err != nil {
		return nil, err
	}
	return &machine{home: h, limits: limits, deaths: d, out: make(chan fleet.Death), log: log}, nil
}

// Serve hands deaths on until ctx ends.
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

// Identify implements fleet.Machine.
func (m *machine) Identify(pid int) (event.ProcessRef, bool) {
	p, err := host.Identify(pid)
	if err != nil {
		return event.ProcessRef{}, false
	}
	return event.ProcessRef(p), true
}

// watchAgain is the pause after which a process is watched for which there was no descriptor.
const watchAgain = 2 * time.Second

// Watch implements fleet.Machine.
func (m *machine) Watch(p event.ProcessRef, token any) {
	err := m.deaths.Watch(host.Process(p), token)
	if err == nil {
		return
	}
	m.log.Error("watch process", "pid", p.PID, "err", err)
	if scarce.Is(err) { // unwatched, its end would never be known
		time.AfterFunc(watchAgain, func() { m.Watch(p, token) })
	}
}

// Deaths implements fleet.Machine.
func (m *machine) Deaths() <-chan fleet.Death { return m.out }

// End implements fleet.Machine: the agent's process with all its descendants, and everything that carries the
// mark of the task, which is the absolute path of its worktree and so no other fleet's.
func (m *machine) End(ctx context.Context, t life.Task, grace time.Duration) error {
	// Everything that an agent starts inherits the descriptor of its lock.
	e := host.Ending{Grace: grace, Held: m.home.AliveLock(t.ID), Group: m.group(t.ID)}
	if t.Worktree != "" {
		e.Mark = [2]string{"MUSTER_WORKTREE", t.Worktree}
	}
	if t.Agent.Process.PID != 0 {
		e.Procs = append(e.Procs, host.Process(t.Agent.Process))
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

// group is the control group that a task's agents are in; "" if there is none. An agent can write the note, too: only a
// group of this very name is believed.
func (m *machine) group(id event.TaskID) string {
	b, err := regular.Read(m.home.CgroupNote(id), 1<<12)
	dir := string(b)
	if err != nil || filepath.Clean(dir) != dir || !strings.HasPrefix(dir, "/sys/fs/cgroup/") || filepath.Base(dir) != m.home.Cgroup(id) {
		return ""
	}
	return dir
}

// Holder implements fleet.Machine.
func (m *machine) Holder(id event.TaskID) (int, bool) {
	held, err := lock.Held(m.home.AliveLock(id))
	if err != nil || !held {
		return 0, false
	}
	pid, _ := lock.Holder(m.home.AliveLock(id))
	return pid, true
}

// gateAge is how long what was found out about memory and disk holds. A turn of the supervisor takes less than a
// millisecond, and reading a dozen files of the kernel for each would be most of it.
const gateAge = time.Second

// minFreeInodes is how many files must still fit on the disk before an agent is started: a small worktree, what a
// generation writes about itself, and some room for those that run.
const minFreeInodes = 1000

// Gate implements fleet.Machine.
func (m *machine) Gate() string {
	m.gateMu.Lock()
	defer m.gateMu.Unlock()
	if now := time.Now(); m.gateAt.IsZero() || now.Sub(m.gateAt) > gateAge {
		m.gate, m.gateAt = m.look(), now
	}
	return m.gate
}

// lack is what the machine is short of.
type lack string

const (
	lackNone   lack = ""
	lackMemory lack = "memory"
	lackDisk   lack = "disk"
	lackInodes lack = "inodes"
	lackWrite  lack = "write"
)

// look says whether something is short. While the same thing is, the words stay as they were: each change of them is an
// event, and a number that moves all night would fill the log.
func (m *machine) look() string {
	what, why := m.short()
	if what == m.lack {
		return m.gate
	}
	m.lack = what
	return why
}

// short measures. What was short has to be there again with a tenth to spare, or the gate would flap.
func (m *machine) short() (lack, string) {
	enough := func(of lack, least uint64) uint64 {
		if m.lack == of {
			least += least / 10
		}
		return least
	}
	least := uint64(max(0, m.limits.MinFreeMemory))
	if mem, err := host.Mem(); err == nil && mem.Available < enough(lackMemory, least) {
		return lackMemory, fmt.Sprintf("only %d MiB of memory are free, and min_free_memory is %d MiB", mem.Available>>20, least>>20)
	}
	d, err := host.DiskAt(string(m.home))
	least = uint64(max(0, m.limits.MinFreeDisk))
	switch {
	case err != nil:
	case d.ReadOnly:
		return lackWrite, fmt.Sprintf("the disk of %s is mounted for reading only", m.home)
	case d.Free < enough(lackDisk, least):
		return lackDisk, fmt.Sprintf("only %d MiB of disk are free at %s, and min_free_disk is %d MiB", d.Free>>20, m.home, least>>20)
	case d.FreeInodes < enough(lackInodes, minFreeInodes):
		return lackInodes, fmt.Sprintf("only %d more files fit on the disk of %s (its inodes are used up), and a task wants %d",
			d.FreeInodes, m.home, minFreeInodes)
	}
	return lackNone, ""
}

// Signal implements fleet.Machine.
func (m *machine) Signal(p event.ProcessRef, signal int) error {
	return host.Process(p).Signal(syscall.Signal(signal))
}

// Room returns why no agent could be started now for want of memory or disk; "" if there is enough.
func Room(f boot.Fleet) string {
	m := machine{home: f.Home, limits: f.Config.Fleet}
	return m.look()
}
