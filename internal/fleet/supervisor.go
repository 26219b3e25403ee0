package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"runtime"
	"time"

	"muster/internal/event"
	"muster/internal/home"
	"muster/internal/life"
)

// Config is everything that a supervisor needs.
type Config struct {
	Home      home.Dir
	Log       Log
	Terminal  Terminal
	Worktrees Worktrees
	Shipper   Shipper
	Merger    Merger
	Launcher  Launcher
	Channel   Channel
	Jobs      Jobs
	Records   Records
	Processes Processes
	// Admission lists the sources of admission control, such as the machine's memory and disk. The reason of the first
	// one that is closed is written to the log.
	Admission []Admission
	Server    event.ServerChanged // the terminal server that runs now
	// ServerWas is the server in the log. If it is another one, all panes of that server are gone.
	ServerWas event.ServerChanged
	Exe       string // the program that panes run
	Slots     int    // agents that may run at once
	// Accounts lists the settings of the configured accounts. Others have none.
	Accounts []AccountSettings
	Night    life.Allowance // the budget of all tasks
	Version  string
	Boot     string // the machine's boot id
	PID      int
	Now      func() time.Time
	// Mono is a monotonic clock that stops while the host is suspended. nil is Go's own.
	Mono    func() time.Duration
	Logger  *slog.Logger
	Mode    event.DownMode // the mode of the fleet in the log; "" is up
	GateWas string         // the reason in the log why admission is closed; "" if it is open
	// Prologue lists further events for the first transaction.
	Prologue []event.Payload
	// Changes opens and follows changes on a forge; nil if the Shipper does all.
	Changes Changes
	// Adopting is called while the fleet is adopted, with the number of tasks that are done and of all. nil is ignored.
	Adopting func(done, of int)
	// Ready is called once, when the first transaction is committed. The fleet is adopted then.
	Ready func()
	// Pulse is called after each check of the whole fleet: at the first turn, and then once a minute.
	Pulse func(Pulse)
	// Lost is closed when the connection to the terminal is lost.
	Lost <-chan struct{}
	// Point is called at each failpoint: where the world and the record can differ, that is "intent", "act" and
	// "outcome". Tests kill the supervisor there.
	Point func(name string)
}

// AccountSettings are the settings of an account.
type AccountSettings struct {
	Name        event.AccountID
	MaxAgents   int           // 0 is no limit
	Spread      time.Duration // the pause between two agents that are woken after a rest
	PreferBelow int           // percent of a usage limit; above it new work goes elsewhere if it can
	Allowance   life.Allowance
}

// Supervisor runs a fleet.
type Supervisor struct {
	cfg     Config
	jobs    *workers
	pending []item // inputs that are not committed yet
	gateWas string
	// unsettled means that the last turn left decisions about the fleet to the next one.
	unsettled bool
	mode      event.DownMode  // "" while the fleet is up
	prologue  []event.Payload // further events for the first turn
	lastWall  time.Time
	lastMono  time.Duration
	ears      ears
	looked    time.Duration                      // when the whole fleet was last checked, by Mono; negative before the first check
	gone      map[agentToken]bool                // agents whose process was gone at that check
	runners   map[event.ProcessRef]time.Duration // runners of jobs, and when each must have ended, by Mono
	runnersAt time.Duration                      // when they are looked at next, by Mono
}

// item is an input for a task, or for a merge queue.
type item struct {
	task   event.TaskID
	queue  event.QueueID // "" for a task
	in     life.Input
	key    string // the key of the offset that is stored with it
	offset int64
}

// New returns a supervisor. It has no side effects.
func New(c Config) *Supervisor {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Mono == nil {
		began := time.Now()
		c.Mono = func() time.Duration { return time.Since(began) }
	}
	if c.Adopting == nil {
		c.Adopting = func(int, int) {}
	}
	if c.Ready == nil {
		c.Ready = func() {}
	}
	if c.Pulse == nil {
		c.Pulse = func(Pulse) {}
	}
	if c.Point == nil {
		c.Point = func(string) {}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Supervisor{cfg: c, mode: c.Mode, gateWas: c.GateWas, looked: -1, runners: map[event.ProcessRef]time.Duration{}}
	s.jobs = newWorkers(max(4, 2*runtime.NumCPU()), s.do)
	return s
}

// retryPause is the pause after a transaction that failed, for example because the disk was full or the database
// locked.
const retryPause = 2 * time.Second

// gatePause is how often admission is checked again while it is closed.
const gatePause = 15 * time.Second

// lookPause is the longest pause between two turns. A timer does not run while the host is suspended, so with a
// longer pause a deadline could be late by the whole time of the suspension.
const lookPause = time.Minute

// floodLimit is how large a status file may grow: some hundred thousand records, more than the hooks of an agent
// write in a week. A larger file is written by something in a loop that would fill the disk.
const floodLimit = 64 << 20

// pendingLimit is how many inputs may wait for a transaction before no more records are read.
const pendingLimit = 10_000

// errDown makes Serve return nil: the fleet was told to go down.
type errDown struct{ why string }

func (e errDown) Error() string { return "down: " + e.why }

// Serve adopts what runs and supervises the fleet until ctx ends (agents keep running), the fleet is told to go down,
// or the terminal is lost. A nil error means that the supervisor must not be restarted.
func (s *Supervisor) Serve(ctx context.Context) error {
	// Workers outlive ctx until their own time limits, so that the outcome of an action that has begun is recorded.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer s.jobs.wait()
	defer stop()
	s.lastWall, s.lastMono = wall(s.cfg.Now()), s.cfg.Mono()
	s.ears = newEars(s.lastMono)
	if err := s.adopt(work); err != nil {
		return fmt.Errorf("adopt the fleet: %w", err)
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		stopped, err := s.gather(ctx, timer)
		if err != nil {
			return err
		}
		s.giveUpLost()
		s.lookAtRunners(s.cfg.Mono())
		next, err := s.turn(work)
		if down, ok := err.(errDown); ok { //nolint:errorlint // made here, never wrapped
			s.cfg.Logger.Info("supervisor goes down", "why", down.why)
			return nil
		}
		if err != nil {
			s.cfg.Logger.Error("transaction failed, will be tried again", "err", err)
			next = s.cfg.Now().Add(retryPause)
		}
		if stopped {
			return context.Cause(ctx)
		}
		pause := max(0, next.Sub(s.cfg.Now()))
		if err == nil { // a check that is due must not retry a failed transaction at once
			pause = min(pause, s.nextLook(s.cfg.Mono()), s.nextRunners(s.cfg.Mono()))
		}
		timer.Reset(min(pause, lookPause))
	}
}

// gather waits until something happens and takes everything that has happened by then.
func (s *Supervisor) gather(ctx context.Context, timer *time.Timer) (stopped bool, err error) {
	batches, news := s.cfg.Records.Batches(), s.news()
	if len(s.pending) > pendingLimit {
		batches, news = nil, nil // no transaction has worked for a while; the records stay in their files
	}
	select {
	case <-ctx.Done():
		return true, nil
	case <-s.cfg.Lost:
		return false, ErrNoWorld
	case <-timer.C:
	case <-s.cfg.Records.Wake():
	case b := <-batches:
		s.takeBatch(b)
	case n := <-news:
		s.push(n.Task, n.Review)
	case d := <-s.cfg.Processes.Deaths():
		s.takeDeath(d)
	case r := <-s.jobs.results:
		s.takeResult(r)
	}
	// Everything that has arrived goes into the same transaction. The bound keeps a flood of it from delaying the
	// rest.
	for range 512 {
		select {
		case b := <-batches:
			s.takeBatch(b)
		case n := <-news:
			s.push(n.Task, n.Review)
		case d := <-s.cfg.Processes.Deaths():
			s.takeDeath(d)
		case r := <-s.jobs.results:
			s.takeResult(r)
		case <-s.cfg.Records.Wake():
		default:
			return false, nil
		}
	}
	return false, nil
}

// news returns what forges show; nil if the fleet follows none.
func (s *Supervisor) news() <-chan News {
	if s.cfg.Changes == nil {
		return nil
	}
	return s.cfg.Changes.News()
}

func (s *Supervisor) push(id event.TaskID, in life.Input) { s.pushTo(event.OfTask(id), in) }

func (s *Supervisor) pushTo(of event.Subject, in life.Input) {
	s.pending = append(s.pending, item{task: of.Task, queue: of.Queue, in: in})
}

func (s *Supervisor) takeBatch(b Batch) {
	if b.Grew {
		s.ears.heard(b.Task, b.Gen, s.cfg.Mono())
	}
	for _, why := range b.Refused {
		s.push(b.Task, life.Refused{Gen: b.Gen, Source: b.Source, Why: why})
	}
	if b.Size > floodLimit {
		s.push(b.Task, life.Flooded{Gen: b.Gen, Text: fmt.Sprintf(
			"its status file has grown to %d MiB, and %d MiB are more than an agent has to say", b.Size>>20, floodLimit>>20)})
	}
	for i, r := range b.Records {
		if i+1 < len(b.Records) && superseded(r, b.Records[i+1]) {
			continue
		}
		s.push(b.Task, life.Reported{Gen: b.Gen, Source: b.Source, Record: r, Ask: b.Asks[r.Request]})
	}
	s.pending = append(s.pending, item{task: b.Task, key: b.Key, offset: b.Offset})
}

// superseded reports whether the next record says the same, except for the text of its note. An agent that writes
// notes very quickly must not fill the log.
func superseded(r, next event.Record) bool {
	r.Time, r.Note = next.Time, next.Note
	return r.State == event.RecordWorking && reflect.DeepEqual(r, next)
}

// takeDeath takes the end of a process: of an agent, or of a job that an action waits for.
func (s *Supervisor) takeDeath(d Death) {
	switch tok := d.Token.(type) {
	case agentToken:
		s.jobs.add(job{of: event.OfTask(tok.task), death: &deathOf{gen: tok.gen, pane: tok.pane, death: d}})
	case jobToken:
		s.jobs.add(job{of: tok.of, action: tok.action, again: true})
	}
}

// takeResult takes the result of a worker.
func (s *Supervisor) takeResult(r result) {
	if !s.jobs.done(r.job) {
		s.cfg.Logger.Warn("an act that was given up has come back", "task", r.job.of.Task, "action", r.job.action.Kind())
		return
	}
	if r.refused != "" && r.job.of.Task != "" {
		s.push(r.job.of.Task, life.Refused{Source: sourceResult, Why: r.refused})
	}
	if r.met != nil {
		s.pushTo(r.job.of, life.Met{Job: *r.met})
		return
	}
	if r.wait.PID != 0 {
		s.pushTo(r.job.of, life.Begun{ID: r.job.action.ID})
		s.cfg.Processes.Watch(r.wait, jobToken{of: r.job.of, action: r.job.action})
		s.runners[r.wait] = s.cfg.Mono() + r.limit
		return
	}
	switch {
	case r.exited != nil:
		s.ears.forget(r.job.of.Task)
		s.push(r.job.of.Task, *r.exited)
	default:
		if s.outdated(r.job) {
			r.facts, r.failure = nil, &life.Failure{Kind: life.FailAgain, Text: "the agent was heard of meanwhile, or another supervisor listened"}
		}
		s.pushTo(r.job.of, life.Finished{ID: r.job.action.ID, Facts: r.facts, Failure: r.failure})
	}
}

// sourceResult is the source of a result that does not count.
const sourceResult = "result"

// giveUpLost gives up the actions that have not returned within their limits, because something that they read or
// call hangs. Each counts as refused, so that a person looks at its task. Its slot and its worker become free.
func (s *Supervisor) giveUpLost() {
	for _, j := range s.jobs.giveUp(s.cfg.Mono()) {
		s.cfg.Logger.Error("an act has not come back and is given up", "task", j.of.Task, "action", j.action.Kind())
		if j.death != nil {
			s.ears.forget(j.of.Task)
			s.push(j.of.Task, life.Exited{Gen: j.death.gen, Cause: event.CauseOwn, Exit: j.death.death.Exit, Signal: j.death.death.Signal, Known: j.death.death.Known})
			continue
		}
		if j.of.Queue != "" {
			s.pushTo(j.of, life.Finished{ID: j.action.ID, Failure: &life.Failure{Kind: life.FailAgain, Text: string(j.action.Kind()) + " has not come back within its limit"}})
			continue
		}
		s.push(j.of.Task, life.Finished{ID: j.action.ID, Failure: &life.Failure{Kind: life.FailRefused, Text: fmt.Sprintf(
			"%s has not come back within its limit and was given up: something that it reads or calls hangs, such as a file system or a program. "+
				"Look at the worktree and the repository, then: muster retry %s", j.action.Kind(), j.of.Task)}})
	}
}

// wall strips the monotonic reading.
func wall(t time.Time) time.Time { return t.Round(0) }
