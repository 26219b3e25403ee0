package notify

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"muster/internal/event"
	"muster/internal/text"
	"muster/internal/words"
)

// Kinds returns the kinds of events that a State is folded from.
func Kinds() []event.Kind {
	var out []event.Kind
	for _, p := range []event.Payload{
		event.DispatchRequested{},
		event.SlotGranted{},
		event.TaskMoved{},
		event.TaskRemoved{},
		event.RequestOpened{},
		event.RequestClosed{},
		event.DeadlineSet{},
		event.DeadlineCleared{},
		event.GateClosed{},
		event.GateOpened{},
		event.MergeHeld{},
		event.MergeResumed{},
		event.NoticeSent{},
		event.NoticeMissed{},
	} {
		out = append(out, p.Kind())
	}
	return out
}

// State is what the log says about notices: what is worth one, and which channels have taken it. It is folded by Apply.
type State struct {
	from   int64     // what happened up to this event is settled
	began  time.Time // the first digest tells what happened after it
	read   int64     // the newest event
	moved  time.Time // of the newest change of a task
	closed edge      // the newest closing of the gate; zero while it is open
	work   edge      // the newest dispatch or start of a task: after it the fleet can be over
	ran    int64     // the newest start of a task: after it the fleet can stand still
	// tasks has the newest edge of each task for which a person is wanted.
	tasks    map[event.TaskID]*edge
	queues   map[event.QueueID]held // merge queues that wait now
	channels map[string]*channel
}

// held is why a merge queue waits.
type held struct {
	event.MergeHeld
	seq int64 // the event with which it began to wait for that
	at  time.Time
	why string
}

// edge is something that happened and may be worth a notice.
type edge struct {
	what  event.NoticeKind
	seq   int64
	at    time.Time
	until time.Time // of a request: when its task is parked; zero if it is not known
}

// channel is what one channel has taken.
type channel struct {
	told   map[event.TaskID]mark
	still  int64 // the notice that the fleet stands still; 0 after a task was started
	gate   int64
	merge  map[int64]bool // the waits of merge queues, by their events
	over   edge           // seq is the work after which it was told that nothing is left
	digest edge           // the newest digest
	sent   []time.Time    // messages, oldest first
	last   string         // the newest message
	tries  int            // failures in a row
	next   time.Time      // after a failure
}

// mark is what a channel was told about a task.
type mark struct {
	seq      int64
	reminded bool
}

// NewState returns a state in which everything up to the event from is settled. The first digest tells what happened
// after began. Apply ignores what is settled, but for notices: they count for the limit of an hour.
func NewState(from int64, began time.Time) *State {
	return &State{from: from, began: began, read: from, tasks: map[event.TaskID]*edge{}, queues: map[event.QueueID]held{}, channels: map[string]*channel{}}
}

// Skip notes that there is no event up to this one that Apply was not called with.
func (s *State) Skip(seq int64) { s.read = max(s.read, seq) }

// PassDigest notes that there was nothing to tell in the digest of a channel that was due.
func (s *State) PassDigest(name string, now time.Time) { s.channel(name).digest.at = now }

// Tries returns how often in a row a channel has failed.
func (s *State) Tries(name string) int { return s.channel(name).tries }

// Read returns the sequence number of the newest event that was applied.
func (s *State) Read() int64 { return s.read }

func (s *State) channel(name string) *channel {
	c := s.channels[name]
	if c == nil {
		c = &channel{told: map[event.TaskID]mark{}, merge: map[int64]bool{}}
		s.channels[name] = c
	}
	return c
}

// Apply folds an event. Events come in the order of the log.
func (s *State) Apply(e event.Event) {
	s.read = max(s.read, e.Seq)
	switch p := e.Data.(type) {
	case event.NoticeSent:
		s.sent(e, p)
		return
	case event.NoticeMissed:
		c := s.channel(p.Channel)
		c.tries, c.next = p.Tries, p.Next
		return
	}
	if e.Seq <= s.from {
		return
	}
	switch p := e.Data.(type) {
	case event.DispatchRequested:
		s.work = edge{seq: e.Seq, at: e.Time}
	case event.SlotGranted:
		s.work, s.ran = edge{seq: e.Seq, at: e.Time}, e.Seq
		for _, c := range s.channels {
			c.still = 0
		}
	case event.GateClosed:
		if s.closed.seq == 0 { // another reason is no news
			s.closed = edge{what: event.NoticeGate, seq: e.Seq, at: e.Time}
		}
	case event.GateOpened:
		s.closed = edge{}
	case event.MergeHeld:
		if q, ok := s.queues[e.Queue]; !ok || q.For != p.For || q.Commit != p.Commit { // that it waits on is no news
			s.queues[e.Queue] = held{MergeHeld: p, seq: e.Seq, at: e.Time, why: text.Line(words.Held(p), mostFirst)}
		}
	case event.MergeResumed:
		delete(s.queues, e.Queue)
	case event.TaskMoved:
		s.moved = e.Time
		s.change(e, p)
	case event.TaskRemoved:
		delete(s.tasks, e.Task)
	case event.RequestOpened:
		s.tasks[e.Task] = &edge{what: event.NoticeAsks, seq: e.Seq, at: e.Time}
	case event.RequestClosed:
		s.drop(e.Task, event.NoticeAsks)
	case event.DeadlineSet:
		if t := s.tasks[e.Task]; t != nil && p.Name == event.DeadlineWaiting && p.Left == 0 {
			t.until = p.At
		}
	case event.DeadlineCleared:
		if t := s.tasks[e.Task]; t != nil && p.Name == event.DeadlineWaiting {
			t.until = time.Time{}
		}
	}
}

// Drop forgets the edge of a notice about a task: the task was read later, and does not stand so.
func (s *State) Drop(n Notice) {
	if t := s.tasks[n.Task]; t != nil && t.seq == n.Of {
		delete(s.tasks, n.Task)
	}
}

// change folds a move of a task.
func (s *State) change(e event.Event, p event.TaskMoved) {
	switch p.To {
	case event.Parked:
		s.tasks[e.Task] = &edge{what: event.NoticeParked, seq: e.Seq, at: e.Time}
	case event.Failed:
		s.tasks[e.Task] = &edge{what: event.NoticeFailed, seq: e.Seq, at: e.Time}
	case event.Waiting: // its request has an event of its own
		s.drop(e.Task, event.NoticeParked)
	default:
		delete(s.tasks, e.Task)
	}
}

func (s *State) drop(id event.TaskID, what event.NoticeKind) {
	if t := s.tasks[id]; t != nil && t.what == what {
		delete(s.tasks, id)
	}
}

// sent folds a notice that a channel has taken.
func (s *State) sent(e event.Event, p event.NoticeSent) {
	c := s.channel(p.Channel)
	if p.Message != c.last || len(c.sent) == 0 || !c.sent[len(c.sent)-1].Equal(e.Time) { // the notices of one message have one time
		c.sent = append(c.sent, e.Time)
		c.sent = c.sent[max(0, len(c.sent)-mostInHour):]
	}
	c.last, c.tries, c.next = p.Message, 0, time.Time{}
	switch p.What {
	case event.NoticeStill:
		c.still = e.Seq
	case event.NoticeGate:
		c.gate = p.Of
	case event.NoticeMerge:
		c.merge[p.Of] = true
	case event.NoticeOver:
		c.over = edge{seq: p.Of, at: e.Time}
	case event.NoticeDigest:
		c.digest = edge{seq: e.Seq, at: e.Time}
	case event.NoticeAsks, event.NoticeParked, event.NoticeFailed:
		c.told[e.Task] = mark{seq: p.Of}
	case event.NoticeReminder:
		c.told[e.Task] = mark{seq: p.Of, reminded: true}
	case event.NoticeTest:
	}
}

// Settled returns the newest event up to which nothing has to be told any more: a State that begins after it leads to the
// same notices.
func (s *State) Settled(set Settings) int64 {
	settled := s.read
	before := func(seq int64) {
		if seq > 0 {
			settled = min(settled, seq-1)
		}
	}
	before(s.work.seq)
	before(s.closed.seq)
	for _, q := range s.queues {
		before(q.seq)
	}
	for id, t := range s.tasks {
		if slices.ContainsFunc(set.Channels, func(name string) bool { return !s.channel(name).knows(id, t) }) {
			before(t.seq)
		}
	}
	for _, name := range set.Channels {
		c := s.channel(name)
		before(c.still)
		if len(set.Digest) > 0 {
			before(cmp.Or(c.digest.seq, s.from+1)) // the next digest tells what happened since
		}
	}
	return max(settled, s.from)
}

// knows reports whether the channel has nothing more to be told about the edge of a task.
func (c *channel) knows(id event.TaskID, t *edge) bool {
	m := c.told[id]
	return m.seq == t.seq && (m.reminded || t.what != event.NoticeAsks)
}

// messageID returns the id of a message whose oldest notice is about this event. A repeat has the same.
func messageID(what event.NoticeKind, seq int64) string {
	mark := map[event.NoticeKind]string{ // several notices may be about one event
		event.NoticeReminder: "r", event.NoticeStill: "s", event.NoticeGate: "g", event.NoticeMerge: "q", event.NoticeOver: "o", event.NoticeDigest: "d",
	}[what]
	return fmt.Sprintf("n%d%s", seq, mark)
}
