package fleettest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"muster/internal/event"
	"muster/internal/fleet"
	"muster/internal/store"
)

// Odds are the chances, in percent, of what may go wrong or otherwise than planned.
type Odds struct {
	Crash      int // a turn ends by the death of the agent
	Ask        int // a turn asks for a permission
	APIError   int // a turn ends by an error of the service
	Lazy       int // a turn changes nothing
	Mute       int // an agent starts and reports nothing
	Red        int // a tree does not pass its checks
	StartFails int // the terminal refuses a window
	GitFails   int // a call of git fails
	Late       int // a record comes late or twice
}

// World is everything outside of the supervisor. It outlives supervisors: killing one leaves all else standing.
type World struct {
	Log  *store.Memory
	Odds Odds

	mu       sync.Mutex
	rng      *rand.Rand
	life     int // the number of the living supervisor; what an older one does has no effect
	server   int // the terminal server's pid
	born     time.Time
	pids     int
	procs    map[int]*proc
	panes    []*pane
	files    map[fileID][]event.Record
	orders   map[fileID]fleet.Order
	jobs     map[string]*jobState
	trees    map[event.TaskID]int // the state of each worktree; 0 is the base
	branches map[event.TaskID][]int
	heard    map[event.TaskID]map[event.MessageID]int
	watch    []*watched
	follow   map[fileID]int // by the living supervisor: records handed out
	batches  chan fleet.Batch
	deaths   chan fleet.Death
	wake     chan struct{}
	answers  map[string]event.Decision
	wg       sync.WaitGroup
	broken   []string
}

type fileID struct {
	task event.TaskID
	gen  int
}

// proc is a process: an agent or a job.
type proc struct {
	pid    int
	start  uint64
	task   event.TaskID
	gen    int
	agent  bool
	ended  chan struct{} // closed when it is gone
	kill   chan struct{} // closed to end it
	once   sync.Once
	exit   int
	signal int
	mail   chan fleet.Text
	kicked chan struct{} // an answer came
}

func (p *proc) gone() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

type pane struct {
	fleet.Pane
	proc *proc
}

type watched struct {
	proc  *proc
	token any
	life  int
}

type jobState struct {
	note    any
	state   fleet.JobState
	running *proc
	tree    int
}

// ErrDead is what a killed supervisor sees of the world.
var ErrDead = errors.New("this supervisor is dead")

// New makes an empty world; seed decides all that is left to chance.
func New(seed uint64, odds Odds) *World {
	w := &World{
		Log: store.OpenMemory(store.Options{}), Odds: odds, rng: rand.New(rand.NewPCG(seed, 1)), //nolint:gosec // a game of chance
		procs: map[int]*proc{}, files: map[fileID][]event.Record{}, orders: map[fileID]fleet.Order{}, jobs: map[string]*jobState{},
		trees: map[event.TaskID]int{}, branches: map[event.TaskID][]int{}, heard: map[event.TaskID]map[event.MessageID]int{},
		answers: map[string]event.Decision{},
	}
	w.newServer()
	return w
}

// Supervise runs a supervisor in this world until ctx ends it like SIGKILL does: what it has under way has
// happened or not, and what it would do afterwards does not happen.
func (w *World) Supervise(ctx context.Context, slots int) error {
	w.mu.Lock()
	w.life++
	e := edges{w: w, life: w.life, batches: make(chan fleet.Batch), deaths: make(chan fleet.Death, 64), wake: make(chan struct{}, 1), ctx: ctx}
	w.batches, w.deaths, w.wake = e.batches, e.deaths, e.wake
	w.follow, w.watch = map[fileID]int{}, nil
	server, born := w.server, w.born
	w.mu.Unlock()
	writer, err := w.Log.NewWriter(ctx)
	if err != nil {
		return err
	}
	row, err := w.Log.Fleet(ctx)
	if err != nil {
		return err
	}
	s := fleet.New(fleet.Config{
		Log: memoryLog{edges: e, writer: writer}, Terminal: e, Works: e, Agents: e, Jobs: jobEdges{e}, Records: e, Machine: e,
		Server:    event.ServerChanged{PID: server, Started: born},
		ServerWas: event.ServerChanged{PID: row.Server.PID, Started: row.Server.Started},
		Slots:     slots, Now: time.Now, Mode: row.Mode, GateWas: row.Gate, Exe: "muster",
	})
	err = s.Serve(ctx)
	w.mu.Lock()
	if w.life == e.life {
		w.life++
	}
	w.mu.Unlock()
	return err
}

// KillServer ends the terminal server and all that runs in it.
func (w *World) KillServer() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.panes {
		w.killLocked(p.proc, 0, 1)
	}
	w.panes = nil
	w.newServer()
}

func (w *World) newServer() {
	w.pids++
	w.server, w.born = w.pids, time.Now()
	w.procs[w.server] = &proc{pid: w.server, ended: make(chan struct{}), kill: make(chan struct{})}
}

// Wait returns when no process of the world runs any more.
func (w *World) Wait() { w.wg.Wait() }

// EndAll ends every process, as a power cut does.
func (w *World) EndAll() {
	w.mu.Lock()
	for _, p := range w.procs {
		w.killLocked(p, 0, 9)
	}
	w.mu.Unlock()
	w.wg.Wait()
}

// Broken lists the invariants that did not hold.
func (w *World) Broken() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.broken...)
}

func (w *World) breach(format string, args ...any) {
	w.broken = append(w.broken, fmt.Sprintf(format, args...))
}

// chance tells whether something of so many percent happens. The caller holds mu.
func (w *World) chance(percent int) bool { return w.rng.IntN(100) < percent }

// span is a random duration. The caller holds mu.
func (w *World) span(most time.Duration) time.Duration {
	return time.Duration(w.rng.Int64N(int64(most))) + time.Millisecond
}

// spawn makes a process. The caller holds mu.
func (w *World) spawn(task event.TaskID, gen int, agent bool) *proc {
	w.pids++
	p := &proc{
		pid: w.pids, start: uint64(w.pids), task: task, gen: gen, agent: agent, //nolint:gosec // small and positive
		ended: make(chan struct{}), kill: make(chan struct{}), mail: make(chan fleet.Text, 64), kicked: make(chan struct{}, 1),
	}
	if agent {
		for _, o := range w.procs {
			if o.agent && o.task == task && !o.gone() {
				w.breach("%s: generation %d was started while generation %d lives", task, gen, o.gen)
			}
		}
	}
	w.procs[p.pid] = p
	return p
}

// killLocked ends a process; exit or signal are what its parent sees.
func (w *World) killLocked(p *proc, exit, signal int) {
	if p.gone() {
		return
	}
	p.once.Do(func() {
		p.exit, p.signal = exit, signal
		close(p.kill)
		close(p.ended)
	})
	for _, x := range w.watch {
		if x.proc == p {
			w.tell(x)
		}
	}
}

// tell reports a death to the supervisor that lives.
func (w *World) tell(x *watched) {
	if x.life != w.life {
		return
	}
	d := fleet.Death{Token: x.token, Exit: x.proc.exit, Signal: x.proc.signal, Known: true}
	deaths := w.deaths
	w.wg.Go(func() {
		select {
		case deaths <- d:
		case <-time.After(time.Hour): // nobody listens any more
		}
	})
}
