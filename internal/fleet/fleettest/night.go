package fleettest

import (
	"time"

	"muster/internal/event"
	"muster/internal/life"
)

// night is a world in which nothing goes wrong but the usage limits of accounts. Its agents work for hours, and meet a
// limit at the next minute.
type night struct {
	limits  map[event.AccountID][]span
	need    time.Duration // of work for each task
	worked  map[event.TaskID]time.Duration
	prompts []prompt
	price   float64 // USD for a minute of work; 0: agents report no usage
}

// span is a time in which an account is limited.
type span struct{ from, to time.Time }

// prompt is a turn that an agent began.
type prompt struct {
	at      time.Time
	task    event.TaskID
	account event.AccountID
	limited bool // the account was limited then
}

// limit returns until when an account is limited.
func (n *night) limit(id event.AccountID, now time.Time) (time.Time, bool) {
	for _, s := range n.limits[id] {
		if !now.Before(s.from) && now.Before(s.to) {
			return s.to, true
		}
	}
	return time.Time{}, false
}

// nightTurn is one turn of an agent in the night. It returns false if it ended with the process.
func (w *World) nightTurn(p *proc, t life.Task) bool {
	n, account := w.night, t.Account()
	w.with(p, func() {
		_, limited := n.limit(account, w.now())
		n.prompts = append(n.prompts, prompt{w.now(), p.task, account, limited})
	})
	for first := true; ; first = false {
		over := false
		if !w.with(p, func() {
			until, limited := n.limit(account, w.now())
			switch {
			case limited:
				w.says(p, event.Record{State: event.RecordLimited, Until: until, UntilFrom: event.SourceQuotaLimits})
				p.idle, over = true, true
			case n.worked[p.task] >= n.need:
				w.work(p.task).change()
				w.says(p, event.Record{State: event.RecordIdle})
				p.idle, over = true, true
			case first:
			default:
				n.worked[p.task] += time.Minute
				w.says(p, event.Record{State: event.RecordWorking, Tool: "Bash", Usage: w.uses(p, n.price)})
			}
		}) {
			return false
		}
		if over {
			return true
		}
		pause := time.Minute
		if first { // the answer of the service
			pause = 3 * time.Second
		}
		if !p.lives(pause) {
			return false
		}
	}
}
