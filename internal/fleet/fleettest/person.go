package fleettest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"muster/internal/event"
	"muster/internal/life"
	"muster/internal/store"
)

// deed is something that happens to the fleet from outside at a given time.
type deed struct {
	at  time.Duration
	key string
	do  func()
}

// plan returns everything that happens while so many tasks are dispatched, one per interval on average.
func (w *World) plan(tasks int, every time.Duration) []deed {
	l := w.Luck
	var all []deed
	at := time.Duration(0)
	ids := make([]event.TaskID, tasks)
	for i := range tasks {
		who := fmt.Sprintf("k%d", i+1)
		at += l.Span("the next task", who, 2*every)
		all = append(all, deed{at, "dispatch " + who, func() { ids[i] = w.dispatch(who, ids[:i]) }})
		for n := range l.One("verbs", who, 4) {
			verb := verbs[l.One("verb", who, len(verbs))]
			key := fmt.Sprintf("%s %s#%d", verb.name, who, n)
			all = append(all, deed{at + l.Span("a verb", who, time.Hour), key, func() { w.verb(ids[i], verb) }})
		}
		if l.One("rm", who, 10) < 7 {
			all = append(all, deed{at + 20*time.Hour + l.Span("rm", who, 40*time.Hour), "rm " + who, func() { w.verb(ids[i], verbs[len(verbs)-1]) }})
		}
	}
	all = append(all, w.housekeeping(ids, at)...)
	all = append(all, w.disasters(at)...)
	slices.SortStableFunc(all, func(a, b deed) int { return int(a.at - b.at) })
	return all
}

// housekeeping returns what people do to worktrees and refs of muster, because they do not know whose they are.
func (w *World) housekeeping(ids []event.TaskID, end time.Duration) (all []deed) {
	for i := range ids {
		who := fmt.Sprintf("k%d", i+1)
		change := func(name string, fn func(*work)) {
			if w.Luck.One(name, who, 8) == 0 {
				all = append(all, deed{w.Luck.Span("when "+name, who, end), name + " " + who, func() {
					w.set(func() {
						if ids[i] != "" {
							fn(w.work(ids[i]))
						}
					})
				}})
			}
		}
		change("a worktree is removed by a person", (*work).vanish)
		change("kept refs are pruned by a person", func(k *work) { k.keeps = false })
	}
	return all
}

// disasters returns the events that hit the whole machine.
func (w *World) disasters(end time.Duration) []deed {
	l := w.Luck
	var all []deed
	again := func(name string, every time.Duration, do func(key string, at time.Duration) func()) {
		if l.scale == 0 {
			return
		}
		n := 0
		for at := l.Span(name, "", 2*every); at < end; at += l.Span(name, "", 2*every) {
			key := fmt.Sprintf("%s#%d", name, n)
			all = append(all, deed{at, key, do(key, at)})
			n++
		}
	}
	then := func(at time.Duration, key string, do func()) { all = append(all, deed{at, key, do}) }
	again("terminal server killed", 8*time.Hour, func(string, time.Duration) func() { return func() { w.killServer(false) } })
	again("machine restarted", 40*time.Hour, func(string, time.Duration) func() { return func() { w.killServer(true) } })
	again("clock set", 10*time.Hour, func(key string, _ time.Duration) func() {
		d := l.Span("clock set", key, 4*time.Hour) - 2*time.Hour
		return func() { w.setClock(d) }
	})
	again("host sleeps", 12*time.Hour, func(key string, _ time.Duration) func() {
		d := l.Span("sleep", key, 8*time.Hour)
		return func() { w.setClock(d) }
	})
	again("another environment", 6*time.Hour, func(string, time.Duration) func() {
		return func() { w.set(func() { w.environ++ }) }
	})
	again("disk full", 20*time.Hour, func(key string, at time.Duration) func() {
		then(at+l.Span("disk full", key, 20*time.Minute), "disk has room", func() { w.set(func() { w.full = false }) })
		return func() { w.set(func() { w.full = true }) }
	})
	again("gate closed", 8*time.Hour, func(key string, at time.Duration) func() {
		then(at+l.Span("gate", key, time.Hour), "gate open", func() { w.set(func() { w.gate = "" }) })
		return func() { w.set(func() { w.gate = "memory" }) }
	})
	again("a repository's disk full", 15*time.Hour, func(key string, at time.Duration) func() {
		repo := repos[l.One("repository", key, len(repos))]
		then(at+l.Span("repository full", key, 4*time.Hour), "a repository has room", func() { w.set(func() { w.fullAt[repo] = false }) })
		return func() { w.set(func() { w.fullAt[repo] = true }) }
	})
	again("a repository moved away", 30*time.Hour, func(key string, at time.Duration) func() {
		repo := repos[l.One("moved repository", key, len(repos))]
		then(at+l.Span("moved", key, 4*time.Hour), "a repository is back", func() { w.set(func() { w.movedAt[repo] = false }) })
		return func() { w.set(func() { w.movedAt[repo] = true }) }
	})
	again("a service down", 10*time.Hour, func(key string, at time.Duration) func() {
		then(at+l.Span("service down", key, 2*time.Hour), "the service is back", func() { w.set(func() { w.outside = false }) })
		return func() { w.set(func() { w.outside = true }) }
	})
	again("down", 15*time.Hour, func(key string, at time.Duration) func() {
		mode := []event.DownMode{event.DownKill, event.DownKill, event.DownDrain, event.DownLeave}[l.One("mode", key, 4)]
		then(at+l.Span("down", key, time.Hour), "up again", func() { w.request("", func(life.Task) event.Payload { return event.UpRequested{} }) })
		return func() { w.request("", func(life.Task) event.Payload { return event.DownRequested{Mode: mode} }) }
	})
	return all
}

func (w *World) set(fn func()) {
	w.mu.Lock()
	fn()
	w.mu.Unlock()
}

func (w *World) setClock(d time.Duration) {
	w.set(func() {
		w.skew += d
		w.jumped += max(0, d)
	})
}

// live carries out all deeds at their times. Between them it sometimes answers requests and retries tasks.
func (w *World) live(ctx context.Context, deeds []deed) {
	began, habits := time.Now(), 0
	for len(deeds) > 0 && ctx.Err() == nil {
		next := began.Add(deeds[0].at)
		habit := began.Add(time.Duration(habits+1) * 7 * time.Minute)
		if habit.Before(next) {
			time.Sleep(time.Until(habit))
			habits++
			w.habits(habits)
			continue
		}
		time.Sleep(time.Until(next))
		d := deeds[0]
		deeds = deeds[1:]
		// The end of a disaster always happens. A dispatch and a verb are choices of Luck, too.
		if slices.Contains(ends, d.key) || w.Luck.fires(d.key) {
			d.do()
		}
	}
}

// habits answers open requests and retries parked tasks.
func (w *World) habits(n int) {
	w.mu.Lock()
	waiting, parked := sortedIDs(w.judge.waiting), sortedIDs(w.judge.parked)
	names := w.names
	w.mu.Unlock()
	for _, id := range waiting {
		if w.Luck.Fault("somebody answers", names[id], 300) {
			w.verb(id, verbs[1])
		}
	}
	if w.Luck.Fault("somebody logs in", "", 100) {
		w.set(func() { w.logins++ })
	}
	if n%8 != 0 {
		return
	}
	if w.Luck.Fault("somebody wakes the accounts", "", 300) {
		w.wakeAccounts(true)
	}
	for _, id := range parked {
		if w.Luck.Fault("somebody retries", names[id], 100) {
			w.verb(id, verbs[2])
		}
	}
}

// wakeAccounts asks to try the accounts that rest until a person does that, and with budgets those, too, whose budget is
// used up to a level.
func (w *World) wakeAccounts(budgets bool) {
	w.mu.Lock()
	var resting []event.AccountID
	for _, id := range slices.Sorted(maps.Keys(w.judge.accounts)) {
		if a := w.judge.accounts[id]; a.Resting() && a.Cause.Endless() || budgets && a.Spent.Level != event.SpendFree {
			resting = append(resting, id)
		}
	}
	w.mu.Unlock()
	for _, id := range resting {
		err := w.Log.Request(context.Background(), func(tx *store.Tx) error {
			_, err := tx.AppendTo(event.OfAccount(id), 0, event.WakeRequested{})
			return err
		})
		w.wake()
		if err != nil {
			w.set(func() { w.breach("a verb failed: %v", err) })
		}
	}
}

// ends lists the deeds that end a disaster.
var ends = []string{"disk has room", "gate open", "up again", "a repository has room", "a repository is back", "the service is back"}

// repos lists the repositories of the tasks, each on a disk of its own.
var repos = []string{"/r", "/s"}

func upAgain(life.Task) event.Payload { return event.UpRequested{} }

type verb struct {
	name string
	make func(life.Task) event.Payload // returns nil where the verb would refuse
}

var verbs = []verb{
	{"send", func(t life.Task) event.Payload {
		if t.State.Final() {
			return nil
		}
		return event.SendRequested{Message: event.NewMessageID(t.LastMessage + 1), Text: "think of the tests"}
	}},
	{"answer", func(t life.Task) event.Payload {
		if t.Request == nil {
			return nil
		}
		return event.AnswerRequested{Request: t.Request.Request, Decision: event.Allow}
	}},
	{"retry", func(t life.Task) event.Payload {
		if t.State != event.Parked {
			return nil
		}
		r := event.RetryRequested{}
		if t.Reason == event.Reason(event.DeletedTests) {
			r.Allow = []event.FindingKind{event.DeletedTests}
		}
		return r
	}},
	{"interrupt", func(t life.Task) event.Payload {
		if !t.Agent.Live {
			return nil
		}
		return event.InterruptRequested{}
	}},
	{"send", func(t life.Task) event.Payload {
		if t.State.Final() {
			return nil
		}
		return event.SendRequested{Message: event.NewMessageID(t.LastMessage + 1), Text: "and of the docs"}
	}},
	{"stop", func(t life.Task) event.Payload {
		if t.State.Final() {
			return nil
		}
		return event.StopRequested{}
	}},
	{"restore", func(t life.Task) event.Payload {
		if !t.State.Final() && t.State != event.Parked || len(t.Kept) == 0 {
			return nil
		}
		return event.RestoreRequested{Ref: t.Kept[0]}
	}},
	{"rm", func(t life.Task) event.Payload {
		if !t.State.Final() && t.State != event.Parked {
			return nil
		}
		return event.RemoveRequested{Force: true}
	}},
}

func (w *World) verb(id event.TaskID, v verb) {
	if id == "" {
		return // it was never dispatched
	}
	w.request(id, func(t life.Task) event.Payload {
		if t.Removed || t.Stopping {
			return nil
		}
		return v.make(t)
	})
}

// request acts as a verb: it appends its request, and wakes the supervisor or starts one.
func (w *World) request(id event.TaskID, make func(life.Task) event.Payload) {
	err := w.Log.Request(context.Background(), func(tx *store.Tx) error {
		t := life.Task{}
		if id != "" {
			known, _, err := tx.Task(id)
			if err != nil {
				return err
			}
			t = known
		}
		p := make(t)
		if p == nil {
			return nil
		}
		_, err := tx.Append(id, 0, p)
		return err
	})
	w.wake()
	if err != nil {
		w.set(func() { w.breach("a verb failed: %v", err) })
	}
}

// wake tells the supervisor of a request. It then waits for a moment, so that each request has an instant of its own:
// whether a supervisor reads two requests of one instant at once or one after the other would be open.
func (w *World) wake() {
	w.set(func() {
		if w.alive != nil && !w.Luck.Fault("a wake-up is lost", "", 50) {
			poke(w.alive.wake)
		}
		poke(w.up)
	})
	time.Sleep(time.Microsecond)
}

// dispatch queues a task. Some tasks depend on others.
func (w *World) dispatch(who string, before []event.TaskID) event.TaskID {
	spec := w.spec(who)
	if n := len(before); n > 0 && w.Luck.One("after", who, 10) == 0 {
		if dep := before[max(0, n-1-w.Luck.One("after which", who, 5))]; dep != "" {
			spec.After = []event.TaskID{dep}
		}
	}
	if w.Luck.One("race", who, 8) == 0 {
		return w.queueRace(who, spec)
	}
	return w.queue(who, spec)
}

// queueRace dispatches two or three tasks of one spec, and returns the first one.
func (w *World) queueRace(who string, spec event.Spec) event.TaskID {
	var ids []event.TaskID
	err := w.Log.Request(context.Background(), func(tx *store.Tx) error {
		for range 2 + w.Luck.One("racers", who, 2) {
			ids = append(ids, tx.NewTaskID())
		}
		spec.Race = &event.Race{Tasks: ids}
		for i, id := range ids {
			w.set(func() { w.names[id] = fmt.Sprintf("%s racer %d", who, i+1) })
			if _, err := tx.Append(id, 0, event.DispatchRequested{Spec: spec, Prompt: "do it"}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.set(func() { w.breach("dispatch failed: %v", err) })
	}
	w.wake()
	return ids[0]
}

// queue dispatches a task of a spec.
func (w *World) queue(who string, spec event.Spec) event.TaskID {
	var id event.TaskID
	err := w.Log.Request(context.Background(), func(tx *store.Tx) error {
		id = tx.NewTaskID()
		w.set(func() { w.names[id] = who })
		_, err := tx.Append(id, 0, event.DispatchRequested{Spec: spec, Prompt: "do it"})
		return err
	})
	if err != nil {
		w.set(func() { w.breach("dispatch failed: %v", err) })
	}
	w.wake()
	return id
}

func (w *World) spec(who string) event.Spec {
	s := event.Spec{
		Name: who, Slug: "x", Repo: "/r", Kind: "fake", Agent: "fake", Publish: event.PublishBranch,
		Checks:   []event.Check{{Name: "test", Run: "test", Timeout: time.Minute}},
		Attempts: 3, Respawns: 20, Rounds: 5, Timeout: 3 * time.Hour, WaitLimit: 15 * time.Minute, Keep: time.Hour,
		Silence: 10 * time.Minute, SilenceInTool: time.Hour, CILimit: 6 * time.Hour,
		Traits:   event.Traits{Door: event.DoorMailbox, FirstRecord: 30 * time.Second, Resumes: true},
		Priority: w.Luck.One("priority", who, 3),
	}
	if w.Luck.One("repository", who, 3) == 0 {
		s.Repo = repos[1]
	}
	switch w.Luck.One("kind", who, 10) {
	case 0, 1:
		s.Traits.Door = event.DoorPaste
	case 2: // its version marks all mail as not written by the user
		s.Traits.Door, s.Traits.Aside = event.DoorPaste, true
	case 3:
		s.Traits = event.Traits{Door: event.DoorRespawn, ExitIsTurn: true}
	}
	s.Accounts, s.Budget = w.means(who)
	if w.Luck.One("review", who, 6) == 0 {
		s.Reviews = []event.Reviewer{w.reviewer(s)}
	}
	if w.Luck.One("fence", who, 3) == 0 {
		s.Fence = &event.Fence{Cache: event.CacheRepository, Git: event.GitCommit}
	}
	switch w.Luck.One("demands", who, 8) {
	case 0:
		s.Done.DeletedTests = event.ReactionPark
	case 1, 2:
		s.Done.DeletedTests = event.ReactionBack
	}
	if w.Luck.One("merge", who, 8) == 0 {
		s.Publish = event.PublishMerge
	}
	if w.Luck.One("respawns", who, 20) == 0 {
		s.Respawns = 1
	}
	switch w.Luck.One("mode", who, 20) {
	case 0:
		s.Publish = event.PublishPR
	case 1, 2:
		s.Publish = event.PublishNone
	case 3:
		s.Checks = nil
	case 4, 5:
		s.Setup = "make setup"
	}
	return s
}
