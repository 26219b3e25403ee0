package notify

import (
	"cmp"
	"slices"
	"time"

	"muster/internal/config"
	"muster/internal/event"
)

// Settings say when a person is told what. The zero value of each pause stands for its default.
type Settings struct {
	Channels []string
	Quiet    []config.Span
	Digest   []int // times of day in minutes since midnight at which a digest is due

	Grace  time.Duration // how long something must last to be told
	Remind time.Duration // how long before a task is parked a person is reminded that it asks
	Idle   time.Duration // how long nothing runs before the fleet stands still
	Look   time.Duration // how long after a look at the fleet a person knows what happens
}

// Limits, and the defaults of the pauses of Settings.
const (
	defaultGrace  = 20 * time.Second
	defaultRemind = 3 * time.Minute
	defaultIdle   = 10 * time.Minute
	defaultLook   = 30 * time.Second
	mostInHour    = 10             // messages of a channel
	tooOld        = 24 * time.Hour // after it something is in the digest only
	lateDigest    = 12 * time.Hour // a digest that is later than this is left out
)

// World is the fleet as it is now.
type World struct {
	Counts map[event.State]int
	Looked time.Time // when a person was last seen to look at the fleet
	// Stands is since when tasks wait and none runs; zero if that is not so.
	Stands time.Time
}

// Standing reports whether tasks wait and none of them runs.
func (w World) Standing() bool {
	return w.count(event.Queued, event.Blocked, event.Limited) > 0 &&
		w.count(event.Preparing, event.Starting, event.Working, event.Stalled, event.Checking, event.Publishing) == 0
}

// over reports whether nothing is left that can run.
func (w World) over() bool {
	for state, n := range w.Counts {
		if n > 0 && !state.Final() && state != event.Parked {
			return false
		}
	}
	return true
}

func (w World) count(states ...event.State) (sum int) {
	for _, s := range states {
		sum += w.Counts[s]
	}
	return sum
}

// Notice is one thing that a person is told.
type Notice struct {
	What event.NoticeKind
	Task event.TaskID // "" for the fleet
	Of   int64        // the event that it is about
	At   time.Time    // of that event
	// Text says why a merge queue waits; "" for all others.
	Text string
}

// Message is what a channel is to be sent now: all notices that are due, in the order in which a person reads them.
type Message struct {
	Channel string
	ID      string
	Notices []Notice
	Since   time.Time // of a digest: it tells what happened after it
}

// Decision is what to send now, and when to look again at the latest; zero if only an event can change something.
type Decision struct {
	Messages []Message
	Next     time.Time
}

// Decide decides what each channel is told now. Nothing about a task is told that does not stand: the caller has applied
// all events of the log.
func Decide(s *State, w World, set Settings, now time.Time) (d Decision) {
	look := func(at time.Time) {
		if !at.IsZero() && (d.Next.IsZero() || at.Before(d.Next)) {
			d.Next = at
		}
	}
	for _, name := range set.Channels {
		c := s.channel(name)
		v := view{State: s, c: c, w: w, set: set, now: now}
		due, later := v.due()
		look(later)
		if len(due) == 0 {
			continue
		}
		if wait := v.wait(); wait.After(now) {
			look(wait)
			continue
		}
		m := Message{Channel: name, Notices: due, Since: v.since()}
		slices.SortStableFunc(m.Notices, func(a, b Notice) int { return cmp.Or(cmp.Compare(rank(a.What), rank(b.What)), cmp.Compare(a.Of, b.Of)) })
		first := m.Notices[0]
		for _, n := range m.Notices {
			if n.Of < first.Of {
				first = n
			}
		}
		m.ID = messageID(first.What, first.Of)
		d.Messages = append(d.Messages, m)
	}
	return d
}

// rank orders the notices of a message.
func rank(k event.NoticeKind) int {
	return slices.Index([]event.NoticeKind{
		event.NoticeStill, event.NoticeGate, event.NoticeMerge, event.NoticeReminder, event.NoticeAsks, event.NoticeParked, event.NoticeFailed, event.NoticeOver, event.NoticeDigest,
	}, k)
}

// view is the state as one channel sees it now.
type view struct {
	*State
	c   *channel
	w   World
	set Settings
	now time.Time
}

// wait returns until when the channel must not be used; zero if it may be now.
func (v view) wait() (until time.Time) {
	later := func(at time.Time) {
		if at.After(until) {
			until = at
		}
	}
	later(v.c.next)
	later(v.w.Looked.Add(cmp.Or(v.set.Look, defaultLook)))
	if n := len(v.c.sent); n >= mostInHour {
		later(v.c.sent[n-mostInHour].Add(time.Hour))
	}
	if !until.After(v.now) {
		return time.Time{}
	}
	return until
}

// due returns the notices that are due now, and when the next one is.
func (v view) due() (due []Notice, next time.Time) {
	later := func(at time.Time) {
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	quiet := quietUntil(v.set.Quiet, v.now)
	add := func(n Notice, at time.Time, urgent bool) {
		if !urgent && at.Before(quiet) {
			at = quiet
		}
		if at.After(v.now) {
			later(at)
			return
		}
		due = append(due, n)
	}
	grace := cmp.Or(v.set.Grace, defaultGrace)
	for id, t := range v.tasks {
		v.task(id, t, grace, add)
	}
	if !v.w.Stands.IsZero() && v.c.still == 0 {
		add(Notice{What: event.NoticeStill, Of: cmp.Or(v.ran, v.from), At: v.w.Stands}, v.w.Stands.Add(cmp.Or(v.set.Idle, defaultIdle)), true)
	}
	if v.work.seq > 0 && v.w.over() && v.c.over.seq != v.work.seq {
		add(Notice{What: event.NoticeOver, Of: v.work.seq, At: v.moved}, v.moved.Add(grace), false)
	}
	if v.closed.seq > 0 && v.c.gate != v.closed.seq && v.w.count(event.Queued, event.Blocked) > 0 {
		add(Notice{What: event.NoticeGate, Of: v.closed.seq, At: v.closed.at}, v.closed.at.Add(grace), true)
	}
	for _, q := range v.queues {
		if v.now.Sub(q.at) <= tooOld && !v.c.merge[q.seq] {
			add(Notice{What: event.NoticeMerge, Of: q.seq, At: q.at, Text: q.why}, q.at.Add(q.lasts(v.set)), false)
		}
	}
	if at := v.digestAt(); !at.IsZero() {
		add(Notice{What: event.NoticeDigest, Of: cmp.Or(v.c.digest.seq, v.from), At: at}, at, false)
	}
	return due, next
}

// lasts returns how long a merge queue must wait to be told. What a person has to mend is told soon; a checkout that is in use, and
// an action that is tried again, may pass by themselves.
func (h held) lasts(set Settings) time.Duration {
	if h.For == event.MergeWaitBase || h.For == event.MergeWaitChecks {
		return cmp.Or(set.Grace, defaultGrace)
	}
	return cmp.Or(set.Idle, defaultIdle)
}

// task adds the notice about a task that the channel was not told yet.
func (v view) task(id event.TaskID, t *edge, grace time.Duration, add func(Notice, time.Time, bool)) {
	n := Notice{What: t.what, Task: id, Of: t.seq, At: t.at}
	if v.now.Sub(t.at) > tooOld {
		return
	}
	if v.c.told[id].seq != t.seq {
		add(n, t.at.Add(grace), false)
		return
	}
	remind := cmp.Or(v.set.Remind, defaultRemind)
	if t.what != event.NoticeAsks || v.c.told[id].reminded || t.until.IsZero() || t.until.Sub(t.at) < 2*remind || !v.now.Before(t.until) {
		return
	}
	n.What = event.NoticeReminder
	add(n, t.until.Add(-remind), false)
}

// since returns the time after which something is told in numbers: that of the channel's newest digest. Without digests it is that
// of the newest end of the work, of the last day.
func (v view) since() time.Time {
	if len(v.set.Digest) == 0 {
		day := v.now.Add(-tooOld)
		if v.c.over.at.After(day) {
			return v.c.over.at
		}
		return day
	}
	if v.c.digest.at.IsZero() {
		return v.began
	}
	return v.c.digest.at
}

// digestAt returns when the channel's next digest is due, which may be over; zero if there is none.
func (v view) digestAt() (at time.Time) {
	since := v.since()
	for _, minute := range v.set.Digest {
		last := lastAt(minute, v.now)
		next := last
		if !last.After(since) || v.now.Sub(last) > lateDigest {
			next = nextAt(minute, v.now)
		}
		if at.IsZero() || next.Before(at) {
			at = next
		}
	}
	return at
}
