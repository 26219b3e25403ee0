package fleet

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"muster/internal/event"
	"muster/internal/life"
)

// turn is one transaction: it takes the requests, what happened, and the deadlines that have passed, and then decides
// about the fleet as a whole. The intents are committed with the events. Actions start only after the commit.
func (s *Supervisor) turn(ctx context.Context) (next time.Time, err error) {
	now, mono := s.cfg.Now(), s.cfg.Mono()
	gap := s.gap(now, mono)
	d := &decision{s: s, now: now, mono: mono, gate: s.closed()}
	err = s.cfg.Log.Update(ctx, false, func(tx Tx) error {
		d.reset(tx)
		return d.run(s.pending, gap)
	})
	if err != nil {
		return next, err
	}
	if gap != 0 {
		s.lastWall, s.lastMono = wall(now), mono
	}
	if s.prologue != nil {
		s.cfg.Ready()
	}
	s.pending, s.prologue = nil, nil
	s.gateWas, s.mode, s.unsettled = d.gateWas, d.mode, d.unsettled
	if len(d.actions) > 0 {
		s.cfg.Point("intent")
	}
	if d.finished {
		s.cfg.Point("outcome")
	}
	for _, l := range d.launched {
		s.ears.heard(l.token.task, l.token.gen, mono)
		s.cfg.Processes.Watch(l.process, l.token)
	}
	for _, t := range d.follow {
		s.cfg.Records.Follow(t)
	}
	s.lookAtAll(d.watched, mono)
	for _, a := range d.actions {
		s.jobs.add(job{of: a.of, action: a.action})
	}
	for _, a := range d.met {
		s.jobs.add(job{of: a.of, action: a.action, again: true})
	}
	s.jobs.run(ctx, mono)
	if d.down != "" {
		return next, errDown{why: d.down}
	}
	return d.next, nil
}

// gap returns how far the wall clock has moved against the monotonic clock since the last turn, because the host was
// suspended or the clock was set. Small differences are normal corrections of the clock and are ignored.
func (s *Supervisor) gap(now time.Time, mono time.Duration) time.Duration {
	const noise = 5 * time.Second
	gap := wall(now).Sub(s.lastWall) - (mono - s.lastMono)
	if gap > noise || gap < -noise {
		return gap
	}
	s.lastWall, s.lastMono = wall(now), mono
	return 0
}

// decision is what one transaction decides. The transaction may be run again, so reset clears everything.
type decision struct {
	s        *Supervisor
	tx       Tx
	now      time.Time
	mono     time.Duration
	gate     string
	gateWas  string
	mode     event.DownMode
	actions  []subjectAction
	met      []subjectAction // actions whose job has a runner that waits to begin
	launched []launchedAgent
	follow   []life.Task
	watched  []life.Task // all tasks that have an agent, if this turn checks the whole fleet
	moved    bool        // something changed that affects the queue for slots
	finished bool
	settled  int // number of decisions about the fleet in this turn
	// unsettled means that further decisions about the fleet are left to the next turn.
	unsettled bool
	wrote     bool     // the turn has events
	asked     bool     // a person requested something
	roomy     []string // the places where an action has worked, see life.Task.At
	down      string
	next      time.Time
}

type subjectAction struct {
	of     event.Subject
	action event.Action
}

type launchedAgent struct {
	process event.ProcessRef
	token   agentToken
}

func (d *decision) reset(tx Tx) {
	*d = decision{s: d.s, tx: tx, now: d.now, mono: d.mono, gate: d.gate, gateWas: d.s.gateWas, mode: d.s.mode}
}

func (d *decision) run(pending []item, gap time.Duration) error {
	for _, p := range d.s.prologue {
		if _, err := d.tx.AppendTo(event.Subject{}, 0, p); err != nil {
			return err
		}
		d.moved = true
	}
	d.asked = len(d.tx.Foreign()) > 0 || d.tx.Births()
	d.moved = d.moved || d.s.unsettled || d.tx.Births()
	for _, e := range d.tx.Foreign() {
		if err := d.heard(e); err != nil {
			return err
		}
	}
	if gap != 0 {
		if err := d.slept(gap); err != nil {
			return err
		}
	}
	offsets := map[string]int64{}
	for _, it := range pending {
		if it.in == nil {
			offsets[it.key] = it.offset
			continue
		}
		if it.queue != "" {
			if err := d.queue(it.queue, it.in); err != nil {
				return err
			}
			continue
		}
		if err := d.decide(it.task, it.in); err != nil {
			return err
		}
	}
	for _, due := range d.tx.Due(d.now) {
		if due.Account != "" {
			if err := d.account(due.Account, life.Due{Name: due.Name}); err != nil {
				return err
			}
			continue
		}
		if due.Queue != "" {
			if err := d.queue(due.Queue, life.Due{Name: due.Name}); err != nil {
				return err
			}
			continue
		}
		if err := d.decide(due.Task, d.due(due)); err != nil {
			return err
		}
	}
	if err := d.hurry(); err != nil {
		return err
	}
	if err := d.lookAtCredentials(); err != nil {
		return err
	}
	if err := d.schedule(); err != nil {
		return err
	}
	if err := d.lookAtQueues(life.MergeLook{}); err != nil {
		return err
	}
	if d.wrote { // records that changed nothing may be read again, since they will change nothing then either
		for key, offset := range offsets {
			d.tx.SetOffset(key, offset)
		}
	}
	return d.finish()
}

// heard takes an event of another process.
func (d *decision) heard(e event.Event) error {
	switch p := e.Data.(type) {
	case event.DownRequested:
		d.mode, d.moved = p.Mode, true
		if p.Mode == event.DownKill {
			return d.each(d.liveIDs(), life.Shelve{})
		}
	case event.UpRequested:
		d.mode, d.moved = "", true
	case event.NoticeSent, event.NoticeMissed, event.RecurringRan: // of our own services, and of no matter to the task
	default:
		d.moved = true
		if e.Task != "" {
			return d.decide(e.Task, life.Heard{Payload: e.Data})
		}
		if e.Account != "" {
			return d.account(e.Account, life.Heard{Payload: e.Data})
		}
	}
	return nil
}

func (d *decision) slept(gap time.Duration) error {
	if _, err := d.tx.AppendTo(event.Subject{}, 0, event.HostSlept{Gap: gap}); err != nil {
		return err
	}
	if err := d.lookAtQueues(life.Slept{Gap: gap}); err != nil {
		return err
	}
	return d.each(d.tx.Timed(), life.Slept{Gap: gap})
}

func (d *decision) each(ids []event.TaskID, in life.Input) error {
	for _, id := range ids {
		if err := d.decide(id, in); err != nil {
			return err
		}
	}
	return nil
}

func (d *decision) liveIDs() (ids []event.TaskID) {
	for t := range d.tx.EachLive() {
		ids = append(ids, t.ID)
	}
	return ids
}

// decide calls life for one task and writes its events.
func (d *decision) decide(id event.TaskID, in life.Input) error {
	t, ok, err := d.tx.Task(id)
	if err != nil || !ok {
		return err
	}
	events, actions := life.Decide(t, in, d.now)
	for _, e := range events {
		if _, err := d.tx.AppendTo(e.Subject, e.Gen, e.Data); err != nil {
			return err
		}
		d.note(e)
	}
	d.wrote = d.wrote || len(events) > 0
	for _, a := range actions {
		d.actions = append(d.actions, subjectAction{of: event.OfTask(id), action: a})
	}
	if t.Spec.Publish == event.PublishMerge && (len(events) > 0 || d.asked) {
		if err := d.tellQueue(id); err != nil {
			return err
		}
	}
	if t.Spec.Race != nil && len(events) > 0 {
		if err := d.race(*t.Spec.Race); err != nil {
			return err
		}
	}
	if err := d.tellAccount(t, in, events); err != nil || len(events) == 0 || len(t.Spec.Reviews) == 0 && t.Spec.Review == nil {
		return err
	}
	return d.reviews(t)
}

// note records what must be done about an event after the commit.
func (d *decision) note(e event.Event) {
	switch p := e.Data.(type) {
	case event.TaskMoved, event.SlotReleased, event.NextPlanned, event.DepsMet:
		d.moved = true
	case event.ActionPutOff:
		d.moved = true
	case event.DeadlineCleared:
		d.moved = d.moved || p.Name == event.DeadlineLack
	case event.ActionBegun:
		d.moved = true
		if t, ok, err := d.tx.Task(e.Task); err == nil && ok && t.PutOff != nil {
			d.freed(t, t.PutOff.Place)
		}
	case event.ActionFinished:
		d.moved, d.finished = true, true
		if p.Error == "" {
			d.worked(e.Task, p.What)
		}
	case event.JobStarted: // its runner may begin now, which the same action sees to
		if t, ok, err := d.tx.Task(e.Task); err == nil && ok {
			if i := slices.IndexFunc(t.Open, func(a event.Action) bool { return a.ID == p.Action }); i >= 0 {
				d.met = append(d.met, subjectAction{of: e.Subject, action: t.Open[i]})
			}
		}
	case event.AgentLaunched:
		d.launched = append(d.launched, launchedAgent{process: p.Process, token: agentToken{task: e.Task, gen: e.Gen, pane: p.Pane}})
		if t, ok, err := d.tx.Task(e.Task); err == nil && ok {
			d.follow = append(d.follow, t)
		}
	}
}

// schedule makes the decisions about the fleet until there are no more.
func (d *decision) schedule() error {
	if !d.moved && d.gate == d.gateWas {
		return nil
	}
	if err := d.lookAtBudgets(); err != nil {
		return err
	}
	for range 10_000 { // each pass grants or settles at least one task; the bound only guards against a bug
		if d.settled >= settledAtOnce {
			d.unsettled = true
			return nil
		}
		accounts, err := d.accounts()
		if err != nil {
			return err
		}
		f, err := view(d.tx, life.Fleet{Slots: d.s.cfg.Slots, Gate: d.gate, GateWas: d.gateWas, Draining: d.mode != "", Accounts: accounts}, d.now)
		if err != nil {
			return err
		}
		events := life.Schedule(f, d.now)
		for _, e := range events {
			if _, err := d.tx.AppendTo(e.Subject, e.Gen, e.Data); err != nil {
				return err
			}
			switch p := e.Data.(type) {
			case event.GateClosed:
				d.gateWas = p.Reason
			case event.GateOpened:
				d.gateWas = ""
			case event.AccountWoke:
				if err := d.tellTasks(e.Account, nil); err != nil {
					return err
				}
			case event.AccountProbed, event.DeadlineSet: // of an account, and folded
			default:
				d.settled++
				if err := d.decide(e.Task, life.Heard{Payload: e.Data}); err != nil {
					return err
				}
				// A task without a slot was not told that its account rests. It gets one for an action without an agent.
				if err := d.holdIfNeeded(e.Task); err != nil {
					return err
				}
			}
		}
		if len(events) == 0 {
			return nil
		}
	}
	return nil
}

// settledAtOnce is how many decisions about the fleet one turn may make.
const settledAtOnce = 1000

// mostHeld is how many tasks of repositories with a shortage, or of accounts that rest, are skipped in the queue. It bounds a turn: after so
// many, the rest of the queue waits.
const mostHeld = 2000

// view adds to f the tasks that life.Schedule needs: those with a slot or with a postponed action, those that are limited,
// those whose dependencies may be settled, and as many of the queue as there are free slots. Its cost depends on the
// number of running tasks, not on that of waiting ones.
func view(tx Tx, f life.Fleet, now time.Time) (life.Fleet, error) {
	tasks := map[event.TaskID]life.Task{}
	var short life.Shortages
	places := life.NewPlaces(f.Accounts, now)
	free := f.Slots
	var lacking []*life.Task
	var reviewers []event.TaskID
	for t := range tx.EachLive() {
		if t.Slot || t.PutOff != nil || t.State == event.Limited {
			copied := *t // a task of EachLive is valid until the next one
			tasks[t.ID] = copied
			places.Add(&copied)
			if t.PutOff != nil {
				lacking = append(lacking, &copied)
			}
		}
		if t.Slot && !t.SharesSlot() {
			free--
		}
		if t.Inspection != nil && t.Inspection.Reviewer != "" {
			reviewers = append(reviewers, t.Inspection.Reviewer)
		}
	}
	for _, t := range lacking {
		short.Add(t, places)
	}
	// Reviewers share the slots of tasks that run, so they start although no slot is free.
	for _, id := range reviewers {
		t, ok, err := tx.Task(id)
		if err != nil {
			return f, err
		}
		if ok && t.InLine() {
			tasks[t.ID] = t
		}
	}
	unsettled, err := tx.Unsettled(settledAtOnce)
	if err != nil {
		return f, err
	}
	f.States = map[event.TaskID]event.State{}
	for _, t := range unsettled {
		tasks[t.ID] = t
		for _, id := range t.Spec.After {
			if dep, ok, err := tx.Task(id); err != nil {
				return f, err
			} else if ok {
				f.States[id] = dep.State
			}
		}
	}
	if free > 0 && f.Gate == "" && short.Machine == "" && !f.Draining {
		held := 0
		for t := range tx.Line() {
			if t.SharesSlot() {
				continue // it is there already, if it may start
			}
			account, admitted := places.Admit(t)
			if short.Holds(t) || !admitted {
				if held++; held == mostHeld {
					break
				}
				continue
			}
			places.Take(t, account)
			tasks[t.ID] = *t
			if free--; free == 0 {
				break
			}
		}
	}
	f.Tasks = slices.SortedFunc(maps.Values(tasks), func(a, b life.Task) int { return cmp.Compare(a.ID.Number(), b.ID.Number()) })
	return f, nil
}

// finish finds out when the next turn is due, and whether the fleet may go down.
func (d *decision) finish() error {
	if d.s.nextLook(d.mono) == 0 {
		d.watched = d.withAgent()
	}
	if at, ok := d.tx.NextDue(); ok {
		d.next = at
	} else {
		d.next = d.now.Add(24 * time.Hour)
	}
	if d.gateWas != "" && d.next.After(d.now.Add(gatePause)) {
		d.next = d.now.Add(gatePause)
	}
	if d.unsettled {
		d.next = d.now
	}
	if d.mode == "" {
		return nil
	}
	running := 0
	for t := range d.tx.EachLive() {
		if t.Slot || t.Agent.Live && t.State != event.Limited || len(t.Open) > 0 {
			running++
		}
	}
	if d.mode == event.DownDrain && d.merging() { // otherwise the next supervisor repeats its action
		running++
	}
	switch {
	case d.mode == event.DownLeave:
		d.down = "told to"
	case running == 0:
		d.down = "nothing runs any more"
	default:
		return nil
	}
	if len(d.actions)+len(d.met) > 0 || !d.s.jobs.idle() {
		d.down = "" // the decided actions come first
		return nil
	}
	_, err := d.tx.AppendTo(event.Subject{}, 0, event.SupervisorStopped{Why: d.down})
	return err
}
