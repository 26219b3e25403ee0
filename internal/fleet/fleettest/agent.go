package fleettest

import (
	"fmt"
	"time"

	"muster/internal/event"
	"muster/internal/fleet"
)

// record writes a status record of an agent and hands it to the supervisor that lives. The caller holds mu.
func (w *World) record(p *proc, r event.Record) {
	id := fileID{p.task, p.gen}
	r.Gen, r.Time, r.Src = p.gen, time.Now(), "hook"
	w.files[id] = append(w.files[id], r)
	if w.chance(w.Odds.Late) { // and once more
		w.files[id] = append(w.files[id], r)
	}
	w.push(id)
}

// push hands out what a followed file holds beyond what was handed out. The caller holds mu.
func (w *World) push(id fileID) {
	from, followed := w.follow[id]
	all := w.files[id]
	if !followed || from >= len(all) {
		return
	}
	w.follow[id] = len(all)
	b := fleet.Batch{Task: id.task, Gen: id.gen, Source: "status", Key: fmt.Sprintf("%s.%d", id.task, id.gen), Offset: int64(len(all)), Records: append([]event.Record(nil), all[from:]...)}
	batches := w.batches
	w.wg.Go(func() {
		select {
		case batches <- b:
		case <-time.After(time.Hour):
		}
	})
}

// sleep waits; false if the process is ended meanwhile.
func (w *World) sleep(p *proc, most time.Duration) bool {
	w.mu.Lock()
	d := w.span(most)
	w.mu.Unlock()
	select {
	case <-time.After(d):
		return true
	case <-p.kill:
		return false
	}
}

// with runs fn while the world stands still, unless the process is gone; false then.
func (w *World) with(p *proc, fn func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.gone() {
		return false
	}
	fn()
	return true
}

// agent is the life of an agent's process.
func (w *World) agent(p *proc, o fleet.Order) {
	mute := false
	if !w.sleep(p, 2*time.Second) {
		return
	}
	ok := w.with(p, func() {
		if mute = w.chance(w.Odds.Mute); mute {
			return
		}
		for _, m := range o.Messages {
			w.hear(p, m.ID)
		}
		w.record(p, event.Record{State: event.RecordWorking, Prompted: true})
	})
	if !ok {
		return
	}
	if mute {
		<-p.kill
		return
	}
	for w.turn(p) {
		select {
		case <-p.kill:
			return
		case m := <-p.mail:
			if !w.with(p, func() {
				w.hear(p, m.ID)
				w.record(p, event.Record{State: event.RecordWorking, Prompted: true, Message: m.ID})
			}) {
				return
			}
		}
	}
}

// hear notes that an agent took a message. The caller holds mu.
func (w *World) hear(p *proc, id event.MessageID) {
	if w.heard[p.task] == nil {
		w.heard[p.task] = map[event.MessageID]int{}
	}
	if w.heard[p.task][id]++; w.heard[p.task][id] > 1 {
		w.breach("%s: message %s arrived %d times", p.task, id, w.heard[p.task][id])
	}
}

// turn is one turn of an agent; false if it ended with the process.
func (w *World) turn(p *proc) bool {
	if !w.sleep(p, 2*time.Minute) {
		return false
	}
	var ask, crash bool
	ok := w.with(p, func() {
		if !w.chance(w.Odds.Lazy) {
			w.trees[p.task]++
		}
		ask, crash = w.chance(w.Odds.Ask), w.chance(w.Odds.Crash)
	})
	if !ok || ask && !w.ask(p) {
		return false
	}
	return w.with(p, func() {
		switch {
		case crash:
			w.killLocked(p, 1, 0)
		case w.chance(w.Odds.APIError):
			w.record(p, event.Record{State: event.RecordError, Error: event.ErrorOverloaded})
		default:
			w.record(p, event.Record{State: event.RecordIdle})
		}
	}) && !crash
}

// ask holds a permission request until it is answered.
func (w *World) ask(p *proc) bool {
	id := ""
	ok := w.with(p, func() {
		id = fmt.Sprintf("q%d-%d", p.pid, w.rng.IntN(1e6))
		w.record(p, event.Record{State: event.RecordWaiting, Reason: event.WaitPermission, Request: id, Tool: "Bash"})
	})
	for ok {
		answered := false
		ok = w.with(p, func() { _, answered = w.answers[id] })
		if answered {
			return ok && w.with(p, func() { w.record(p, event.Record{State: event.RecordWorking}) })
		}
		select {
		case <-p.kicked:
		case <-p.kill:
			return false
		}
	}
	return false
}
