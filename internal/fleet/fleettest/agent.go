package fleettest

import (
	"fmt"
	"os"
	"regexp"
	"time"

	"muster/internal/event"
	"muster/internal/fleet"
	"muster/internal/life"
	"muster/internal/scarce"
)

// with runs fn under the world's mutex. It returns false, and does not run fn, if the process is gone.
func (w *World) with(p *proc, fn func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.gone {
		return false
	}
	fn()
	return true
}

// lives waits. It returns false if the process ends meanwhile.
func (p *proc) lives(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-p.end:
		return false
	}
}

// agent is the life of an agent's process.
func (w *World) agent(p *proc, o fleet.Order) {
	command := o.Task.Spec.Traits.ExitIsTurn
	if !p.lives(w.Luck.Span("the agent's start", p.who, 2*time.Second)) {
		return
	}
	if w.Luck.Fault("a launch lacks something", p.who, 10) {
		w.with(p, func() {
			w.shortAt = time.Now()
			w.kill(p, scarce.ExitStatus, 0)
		})
		return
	}
	if w.startsNowhere(p) {
		return
	}
	if w.Luck.Fault("a launch finds the lock held", p.who, 10) {
		w.with(p, func() { w.kill(p, scarce.HeldExitStatus, 0) })
		return
	}
	mute := !command && w.Luck.Fault("the agent starts and is mute", p.who, 20)
	if !mute && !command && !w.with(p, func() {
		for _, m := range o.Messages {
			w.hear(p, m.ID)
		}
		w.says(p, event.Record{State: event.RecordWorking, Prompted: true})
	}) {
		return
	}
	if mute {
		if w.Luck.Fault("a dialog is open at the start", p.who, 500) {
			w.with(p, func() { p.dialog = true })
		}
		<-p.end
		return
	}
	for w.turn(p, o.Task) && w.rest(p) {
	}
}

// startsNowhere ends a launch that finds no worktree. A person may remove it during the start, but the supervisor starts
// nothing where it knows that the worktree is gone.
func (w *World) startsNowhere(p *proc) (ends bool) {
	w.with(p, func() {
		wk := w.work(p.task)
		if ends = !wk.there; !ends {
			return
		}
		if wk.nowhere++; wk.nowhere > 1 {
			w.breach("%s: an agent was started where its worktree was", p.task)
		}
		w.kill(p, 3, 0)
	})
	return ends
}

// rest waits for the next prompt. It returns false if the process ends.
func (w *World) rest(p *proc) bool {
	var quits <-chan time.Time
	if w.Luck.Fault("a person quits the agent", p.who, 10) {
		quits = time.After(w.Luck.Span("quitting the agent", p.who, 10*time.Minute))
	}
	for {
		var taken []event.MessageID
		if len(p.mail) > 0 { // first, since a select chooses between the mail and Enter by chance
			taken = []event.MessageID{(<-p.mail).ID}
		} else {
			select {
			case <-p.end:
				return false
			case <-p.interrupt:
				continue
			case <-quits:
				w.with(p, func() { w.kill(p, 0, 0) })
				return false
			case <-p.again:
				p.again = nil
				return w.with(p, func() { w.says(p, event.Record{State: event.RecordWorking}) })
			case m := <-p.mail:
				taken = []event.MessageID{m.ID}
			case <-p.submit:
			}
		}
		if !p.lives(w.Luck.Span("taking a prompt", p.who, time.Second)) {
			return false
		}
		drops := w.Luck.Fault("the agent drops a message", p.who, 20)
		ok := w.with(p, func() {
			if drops {
				w.drop(p, taken)
				taken = nil
				return
			}
			taken, p.draft = append(taken, p.draft...), nil
			for _, id := range taken {
				w.hear(p, id)
				w.says(p, event.Record{State: event.RecordWorking, Prompted: true, Message: id})
			}
			p.idle = len(taken) == 0
		})
		if !ok {
			return false
		}
		if len(taken) > 0 {
			return true
		}
	}
}

// drop is what some versions of an agent do with a message: they take it, and their model never sees it. The caller holds mu.
func (w *World) drop(p *proc, taken []event.MessageID) {
	for _, id := range taken {
		delete(w.work(p.task).posted, fmt.Sprintf("%d.%s", p.gen, id))
	}
	p.draft = nil
}

// hear records that an agent received a message. The caller holds mu.
func (w *World) hear(p *proc, id event.MessageID) {
	heard := w.work(p.task).heard
	if heard[id]++; heard[id] > 1 {
		w.breach("%s: message %s arrived %d times", p.task, id, heard[id])
	}
}

// turn is one turn of an agent. It returns false if it ended with the process.
func (w *World) turn(p *proc, t life.Task) bool {
	if w.night != nil {
		return w.nightTurn(p, t)
	}
	l := w.Luck
	long := time.NewTimer(l.Span("a turn", p.who, 3*time.Minute))
	defer long.Stop()
	if !t.Spec.Traits.ExitIsTurn && l.Fault("the agent hangs", p.who, 20) {
		long.Stop() // an agent that hangs may or may not react to an interrupt
		if l.Fault("the agent hears nothing any more", p.who, 500) {
			<-p.end
			return false
		}
	}
	broken := l.Fault("a person breaks off a turn at the terminal", p.who, 10)
	select {
	case <-p.end:
		return false
	case <-p.interrupt:
		broken = true
	case <-long.C:
	}
	broken = broken && l.Fault("an agent reports how its turn was broken off", p.who, 500)
	if !w.with(p, func() {
		if t.Spec.Review == nil && !l.Fault("a turn changes nothing", p.who, 100) {
			w.work(p.task).change()
		}
		if l.Fault("an entry of the stash vanishes", p.who, 30) {
			w.work(p.task).stash++
		}
	}) {
		return false
	}
	w.with(p, func() { w.spends(p) })
	if l.Fault("the agent asks", p.who, 60) && !w.ask(p) {
		return false
	}
	if of := t.Spec.Review; of != nil {
		w.decides(p, *of)
	} else if l.Fault("the agent says that it is done", p.who, 100) {
		w.with(p, func() { w.says(p, event.Record{State: event.RecordDone}) })
	}
	crash := l.Fault("the agent crashes", p.who, 50)
	quit := !t.Spec.Traits.ExitIsTurn && l.Fault("a person quits the agent", p.who, 10)
	return w.with(p, func() {
		switch {
		case crash:
			w.late(p)
			w.kill(p, 1, 0)
		case quit:
			w.kill(p, 0, 0)
		case t.Spec.Traits.ExitIsTurn:
			w.kill(p, 0, 0)
		case l.Fault("the service fails", p.who, 50):
			w.says(p, w.serviceError(p))
			p.idle = true
			if l.Fault("the agent tries again by itself", p.who, 200) {
				p.again = time.After(l.Span("an agent's own pause", p.who, 10*time.Minute))
			}
		default:
			w.says(p, event.Record{State: event.RecordIdle, Interrupted: broken, Background: l.Fault("work goes on in the background", p.who, 10)})
			p.idle = true
		}
	}) && !crash && !t.Spec.Traits.ExitIsTurn
}

func (w *World) serviceError(p *proc) event.Record {
	switch w.Luck.One("error", p.who, 8) {
	case 0:
		return event.Record{State: event.RecordError, Error: event.ErrorAuth}
	case 1, 2:
		return event.Record{State: event.RecordLimited, Until: w.now().Add(w.Luck.Span("a limit", p.who, 5*time.Hour))}
	case 3:
		return event.Record{State: event.RecordError, Error: event.ErrorRateLimit}
	}
	return event.Record{State: event.RecordError, Error: event.ErrorOverloaded}
}

// ask holds a request until it is answered, through muster or by a person at the terminal.
func (w *World) ask(p *proc) bool {
	id := ""
	ok := w.with(p, func() {
		id = fmt.Sprintf("q%d-%d", p.pid, w.Luck.One("request", p.who, 1e6))
		p.asking = id
		reason := []event.WaitReason{event.WaitPermission, event.WaitQuestion, event.WaitDialog}[w.Luck.One("reason", p.who, 3)]
		w.says(p, event.Record{State: event.RecordWaiting, Reason: reason, Request: id, Tool: "Bash"})
	})
	var attended <-chan time.Time
	if w.Luck.Fault("somebody answers at the terminal", p.who, 200) {
		attended = time.After(w.Luck.Span("an answer at the terminal", p.who, 10*time.Minute))
	}
	for ok {
		select {
		case <-p.end:
			return false
		case <-p.interrupt:
		case <-attended:
			w.with(p, func() { w.work(p.task).answers[id] = true })
		case <-p.answered:
		}
		done := false
		ok = w.with(p, func() {
			if done = w.work(p.task).answers[id]; done {
				p.asking = ""
				w.says(p, event.Record{State: event.RecordWorking})
			}
		})
		if done {
			return ok
		}
	}
	return false
}

// late lets a hook of a dead agent write to the newest status file. The caller holds mu.
func (w *World) late(p *proc) {
	if !w.Luck.Fault("a hook of a dead agent writes", p.who, 300) {
		return
	}
	pause := w.Luck.Span("a dead agent's hook", p.who, 2*time.Minute)
	w.wg.Go(func() {
		time.Sleep(pause)
		w.mu.Lock()
		defer w.mu.Unlock()
		gen := w.judge.tasks[p.task].Gen
		w.append(fileKey{p.task, gen, "status"}, event.Record{State: event.RecordIdle, Gen: p.gen, Time: w.now(), Src: event.SrcHook})
	})
}

var tag = regexp.MustCompile(`\[muster (m\d+)\]`)

// typed adds text to the draft in an agent's input. The caller holds mu.
func (p *proc) typed(text string) {
	for _, m := range tag.FindAllStringSubmatch(text, -1) {
		p.draft = append(p.draft, event.MessageID(m[1]))
	}
}

func mkdir(path string) error { return os.MkdirAll(path, 0o700) }
