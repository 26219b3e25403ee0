package fleettest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"regexp"
	"slices"
	"sync"
	"syscall"
	"time"

	"muster/internal/event"
	"muster/internal/fleet"
	"muster/internal/home"
	"muster/internal/life"
	"muster/internal/store"
	"muster/internal/store/storetest"
)

// World is everything outside the supervisor. It outlives supervisors: killing one changes nothing else. It lives in
// a bubble of testing/synctest.
type World struct {
	Log  *storetest.Memory
	Luck *Luck

	home  home.Dir
	slots int
	wg    sync.WaitGroup

	mu       sync.Mutex
	skew     time.Duration // how far the wall clock has been moved
	alive    *edges        // the living supervisor's; those of older ones have no effect
	server   *proc
	born     time.Time
	boot     int
	gate     string
	full     bool            // commits fail
	fullAt   map[string]bool // repositories whose disk cannot be written
	movedAt  map[string]bool // repositories that a person has moved to another place
	shortAt  time.Time       // when the machine itself last had a shortage
	outside  bool            // a service that the checks need is down
	jumped   time.Duration   // how far the clock was set forward in total
	pids     int
	turns    int // transactions since turnedAt
	turnedAt time.Time
	procs    map[int]*proc
	byTask   map[event.TaskID][]*proc // those that run
	panes    map[event.TaskID][]*pane
	begun    map[fileID]*proc // the newest process of a generation
	files    map[fileKey]*file
	orders   map[fileID]fleet.Order
	jobs     map[string]*jobState
	environ  int // how often the environment was changed by an `up`
	works    map[event.TaskID]*work
	bases    map[string]*base // by repository
	names    map[event.TaskID]string
	judge    judge
	up       chan struct{} // a supervisor is wanted
	broken   []string

	suspect event.TaskID // the first task that violated an invariant

	accounts []fleet.AccountSettings
	nightly  life.Allowance // the budget of all tasks
	pays     bool           // agents report what they use
	logins   int            // how often a person has logged in
	night    *night         // nil: agents work as luck has it
}

type fileID struct {
	task event.TaskID
	gen  int
}

// work is the content of a worktree and the messages to its agents.
type work struct {
	there     bool // its worktree exists
	tree      int  // 0 is the base
	newest    int  // the highest number of a tree
	green     map[int]bool
	reviewed  map[string]bool // trees that a reviewer has accepted
	kept      map[int]bool    // trees that a ref of muster keeps
	keeps     bool            // the ref exists
	nowhere   int             // launches that found no worktree
	stash     int             // entries of the stash that vanished while its agent ran
	stashKept int             // those of them that a ref of muster keeps
	published []int
	pull      *pull // nil if it has no change
	pulls     int   // changes that were opened
	heard     map[event.MessageID]int
	answers   map[string]bool
	posted    map[string]bool // by generation and message
	used      event.Usage     // by its agents, as they report it
	ready     bool            // its setup has passed
}

type pane struct {
	fleet.Pane
	proc *proc
}

type jobState struct {
	note    any
	state   fleet.JobState
	running *proc  // the newest runner
	begun   *proc  // the newest one that was let begin
	key     string // of the runner that left the result; "" if there is none
	tree    int
	merged  string // the tree that a merge queue has judged; "" for a round or a setup
	setup   bool
}

// ErrDead is the error of every call by a killed supervisor.
var ErrDead = errors.New("this supervisor is dead")

// errScarce is the error of an action that meets a shortage of the machine.
var errScarce = fmt.Errorf("write: %w", syscall.ENOSPC)

// errReadOnly is the error of an action on a repository whose disk cannot be written.
var errReadOnly = fmt.Errorf("lock the repository: %w", syscall.EROFS)

var errFlaky = errors.New("it did not work this time")

// newWorld returns an empty world. dir is for the few files that a supervisor writes itself.
func newWorld(luck *Luck, slots int, dir string) *World {
	w := &World{
		Luck: luck, home: home.Dir(dir), slots: slots,
		procs: map[int]*proc{}, byTask: map[event.TaskID][]*proc{}, panes: map[event.TaskID][]*pane{}, begun: map[fileID]*proc{},
		files: map[fileKey]*file{}, orders: map[fileID]fleet.Order{}, jobs: map[string]*jobState{},
		fullAt: map[string]bool{}, movedAt: map[string]bool{}, works: map[event.TaskID]*work{}, bases: map[string]*base{}, names: map[event.TaskID]string{}, up: make(chan struct{}, 1),
	}
	w.judge.tasks, w.judge.accounts = map[event.TaskID]life.Task{}, map[event.AccountID]life.Account{}
	w.judge.moves, w.judge.queues = map[Move]int{}, map[event.QueueID]life.Queue{}
	w.judge.uses, w.judge.over, w.judge.broken = map[event.TaskID]*use{}, map[event.TaskID]time.Time{}, map[event.TaskID]bool{}
	w.judge.game = fnv.New64a()
	w.judge.woke = map[event.AccountID]time.Time{}
	w.judge.parked, w.judge.waiting = map[event.TaskID]bool{}, map[event.TaskID]bool{}
	w.Log = storetest.OpenMemory(w.Now)
	w.newServer()
	return w
}

// Now returns the wall clock of this world.
func (w *World) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now()
}

func (w *World) now() time.Time { return time.Now().Add(w.skew).Round(0).UTC() }

func (w *World) work(id event.TaskID) *work {
	if w.works[id] == nil {
		w.works[id] = &work{green: map[int]bool{}, reviewed: map[string]bool{}, kept: map[int]bool{}, heard: map[event.MessageID]int{}, answers: map[string]bool{}, posted: map[string]bool{}}
	}
	return w.works[id]
}

// change is a change of the files in the worktree.
func (k *work) change() {
	if k.there {
		k.newest++
		k.tree = k.newest
	}
}

// vanish removes the worktree. What was published is on the branch; the rest is gone.
func (k *work) vanish() {
	k.there, k.ready, k.tree = false, false, 0
	if n := len(k.published); n > 0 {
		k.tree = k.published[n-1]
	}
}

// supervise runs a supervisor in this world until ctx ends it, as SIGKILL does: actions under way may or may not have
// happened, and nothing happens afterwards.
func (w *World) supervise(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w.mu.Lock()
	e := &edges{
		w: w, batches: make(chan fleet.Batch), deaths: make(chan fleet.Death, 64), wake: make(chan struct{}, 1),
		ctx: ctx, cancel: cancel, lost: make(chan struct{}), tails: map[fileKey]*tail{},
	}
	w.alive = e
	server, born, boot := w.server.pid, w.born, fmt.Sprint(w.boot)
	w.mu.Unlock()
	defer w.bury(e)
	writer, err := w.Log.NewWriter(ctx)
	if err != nil {
		return err
	}
	row, err := w.Log.Fleet(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	follows := changeEdges{edges: e, news: make(chan fleet.News)}
	w.wg.Go(follows.follow)
	s := fleet.New(fleet.Config{
		Home: w.home, Log: memoryLog{edges: e, writer: writer}, Terminal: e, Worktrees: e, Shipper: e, Merger: e,
		Launcher: e, Channel: e, Jobs: jobEdges{e}, Records: e, Processes: e, Admission: []fleet.Admission{e}, Changes: follows,
		Server:    event.ServerChanged{PID: server, Started: born},
		ServerWas: event.ServerChanged{PID: row.Server.PID, Started: row.Server.Started},
		Accounts:  w.accounts,
		Night:     w.nightly,
		Slots:     w.slots, Now: w.Now, Mono: func() time.Duration { return time.Since(began) },
		Mode: row.Mode, GateWas: row.Gate, Exe: "muster", Boot: boot, Lost: e.lost,
		Point: func(name string) {
			if w.Luck.Fault("the supervisor dies at point "+name, "", 1) {
				e.die()
			}
		},
	})
	return s.Serve(ctx)
}

// bury stops everything that a dead supervisor could still do.
func (w *World) bury(e *edges) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.alive == e {
		w.alive = nil
	}
	e.cancel()
}

// killServer ends the terminal server and all processes in it, except those that ignore its end.
func (w *World) killServer(reboot bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range sortedIDs(w.panes) {
		for _, p := range w.panes[id] {
			p.proc.orphan = true
			if reboot || !w.Luck.Fault("an agent outlives its server", w.names[id], 50) {
				w.kill(p.proc, 0, 1)
			}
		}
	}
	w.panes = map[event.TaskID][]*pane{}
	w.kill(w.server, 0, 9)
	w.newServer()
	if w.alive != nil {
		close(w.alive.lost)
		w.alive.lost = make(chan struct{}) // the supervisor's own is closed
		if reboot {
			w.alive.cancel()
			w.alive = nil
		}
	}
	if reboot {
		w.boot++
	}
}

func (w *World) newServer() {
	w.born = w.now()
	w.server = w.spawn("", 0, false)
}

// breach records a violation of an invariant. A text that begins with a task is about that task. The caller holds mu.
func (w *World) breach(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if id := event.TaskID(taskWord.FindString(text)); id != "" {
		text = fmt.Sprintf("%s (%s)%s", id, w.names[id], text[len(id):])
		if len(w.broken) == 0 {
			w.suspect = id
		}
	}
	w.broken = append(w.broken, text)
}

var taskWord = regexp.MustCompile(`^t\d+`)

// story returns the log of a task, newest last.
func (w *World) story(id event.TaskID) (out []string) {
	for e, err := range w.Log.Events(context.Background(), store.EventFilter{Task: id}) {
		if err != nil {
			return append(out, err.Error())
		}
		data, _ := json.Marshal(e.Data)
		out = append(out, fmt.Sprintf("%d %s gen %d %s %.200s", e.Seq, e.Time.Format("15:04:05.000"), e.Gen, e.Kind(), data))
	}
	return out
}

// proc is a process: an agent, a job or the server.
type proc struct {
	pid     int
	start   uint64
	task    event.TaskID
	who     string
	gen     int
	agent   bool
	orphan  bool // its server is gone
	ended   bool // by the supervisor
	stopped bool // by a signal; it does nothing until it is killed
	gone    bool
	end     chan struct{} // closed when it is gone
	exit    int
	signal  int

	mail      chan fleet.Text
	submit    chan struct{} // Enter was pressed
	interrupt chan struct{}
	answered  chan struct{}
	draft     []event.MessageID
	asking    string
	idle      bool
	dialog    bool             // a dialog has been open since its start
	again     <-chan time.Time // when it continues by itself; nil: never
	watchers  []watcher
}

type watcher struct {
	token any
	e     *edges
}

// spawn starts a process. The caller holds mu.
func (w *World) spawn(task event.TaskID, gen int, agent bool) *proc {
	w.pids++
	p := &proc{
		pid: w.pids, start: uint64(w.pids), task: task, who: w.names[task], gen: gen, agent: agent, //nolint:gosec // small and positive
		end: make(chan struct{}), mail: make(chan fleet.Text, 64), submit: make(chan struct{}, 1),
		interrupt: make(chan struct{}, 1), answered: make(chan struct{}, 1),
	}
	w.procs[p.pid] = p
	if task == "" {
		return p
	}
	if agent {
		for _, o := range w.byTask[task] {
			if o.agent {
				w.breach("%s: generation %d was started while generation %d lives", task, gen, o.gen)
			}
		}
		id := fileID{task, gen}
		if was := w.begun[id]; was != nil && was.ended && !was.orphan {
			w.breach("%s: generation %d was ended, and started once more", task, gen)
		}
		w.begun[id] = p
	}
	w.byTask[task] = append(w.byTask[task], p)
	return p
}

// kill ends a process. exit or signal is its exit status. The caller holds mu.
func (w *World) kill(p *proc, exit, signal int) {
	if p.gone {
		return
	}
	p.gone, p.exit, p.signal = true, exit, signal
	close(p.end)
	delete(w.procs, p.pid)
	w.byTask[p.task] = slices.DeleteFunc(w.byTask[p.task], func(o *proc) bool { return o == p })
	if len(w.byTask[p.task]) == 0 {
		delete(w.byTask, p.task)
	}
	for _, x := range p.watchers {
		w.tell(p, x)
	}
	p.watchers = nil
}

// tell reports a death to the supervisor that watches the process, at once or late, once or twice. The caller holds
// mu.
func (w *World) tell(p *proc, x watcher) {
	times := 1
	if w.Luck.Fault("a death is told twice", p.who, 20) {
		times = 2
	}
	for range times {
		pause := w.Luck.Span("the news of a death", p.who, 20*time.Millisecond)
		if w.Luck.Fault("a death is told late", p.who, 20) {
			pause += w.Luck.Span("a late death", p.who, 3*time.Minute)
		}
		d := fleet.Death{Token: x.token, Exit: p.exit, Signal: p.signal, Known: !w.Luck.Fault("a death leaves no status", p.who, 50)}
		w.wg.Go(func() {
			if !x.e.pause(context.Background(), pause) {
				return
			}
			select {
			case x.e.deaths <- d:
			case <-x.e.ctx.Done():
			}
		})
	}
}

// endAll ends every process, as a power failure does, and waits until nothing runs any more.
func (w *World) endAll() {
	w.mu.Lock()
	if w.alive != nil {
		w.alive.cancel()
	}
	for _, p := range w.procs {
		w.kill(p, 0, 9)
	}
	w.mu.Unlock()
	w.wg.Wait()
}

func sortedIDs[V any](m map[event.TaskID]V) []event.TaskID {
	ids := make([]event.TaskID, 0, len(m))
	for id := range m {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b event.TaskID) int { return a.Number() - b.Number() })
	return ids
}
