package fleet

import (
	"slices"
	"time"

	"muster/internal/event"
)

// scarcity is what the machine lacks, as acts found it out: room, descriptors, terminals, memory. What they wanted to do
// stays intended, as after a crash, and is done again when it may work; no attempt of a task is used up by it, and
// meanwhile nothing new starts. A supervisor that comes anew tries at once.
type scarcity struct {
	why   string
	jobs  []job         // put off, oldest first
	tries int           // of them under way again
	pause time.Duration // between the last failure and the next try
	until time.Duration // by the monotonic clock
}

// found notes a lack: for a while nothing new starts.
func (c *scarcity) found(why string, now time.Duration) {
	if c.until <= now { // else it was begun before the last failure, and tells nothing new
		if now-c.until > forgotten {
			c.pause = 0
		}
		c.pause = min(max(firstPause, 2*c.pause), longestPause)
		c.until = now + c.pause
	}
	if c.why == "" { // the words stay as they are while it lasts: every change of them is an event
		c.why = why
	}
}

const (
	firstPause   = 5 * time.Second
	longestPause = 2 * time.Minute
	forgotten    = 10 * time.Minute // after which pauses begin anew
	// longestLack is how long one act may be put off. Then its task is dealt with as with any other failure.
	longestLack = 12 * time.Hour
)

// canWait tells of which actions the outcome may come late, and which look at the world before they do anything. Words
// for an agent and keys are of their moment.
func canWait(k event.ActionKind) bool {
	return slices.Contains([]event.ActionKind{
		event.ActPrepare, event.ActStart, event.ActCheck, event.ActPublish,
	}, k)
}

// putOff keeps a job that failed for want of something; false where it is to fail now.
func (s *Supervisor) putOff(r result) bool {
	now, j := s.cfg.Mono(), r.job
	if len(s.jobs.queues[j.of]) > 0 { // something was decided meanwhile that comes behind it
		return false
	}
	if j.late == 0 {
		j.late = max(1, now)
	}
	if now-j.late > longestLack {
		return false
	}
	s.scarce.found(r.failure.Text, now)
	j.again, j.tried = true, false
	s.scarce.jobs = append(s.scarce.jobs, j)
	return true
}

// over opens the gate again when one of the acts that need most has worked.
func (c *scarcity) over(r result, now time.Duration) {
	if r.failure == nil && (r.job.action.Kind() == event.ActStart || r.job.action.Kind() == event.ActPrepare) {
		c.why, c.until = "", min(c.until, now)
	}
}

// back notes that a job has come back, whatever it brings.
func (c *scarcity) back(j job) {
	if j.tried {
		c.tries--
	}
}

// startLater puts a start off that is decided while something is short; false if nothing is, or if it has to keep its place
// behind other acts.
func (s *Supervisor) startLater(id event.Subject, a event.Action) bool {
	now := s.cfg.Mono()
	if a.Kind() != event.ActStart || now >= s.scarce.until || s.jobs.has(id) {
		return false
	}
	s.scarce.jobs = append(s.scarce.jobs, job{of: id, action: a, late: max(1, now)})
	return true
}

// takeUp does what was put off, when its time has come.
func (s *Supervisor) takeUp(now time.Duration) {
	if now < s.scarce.until {
		return
	}
	for _, j := range s.scarce.jobs {
		j.tried = true
		s.jobs.add(j)
	}
	s.scarce.tries += len(s.scarce.jobs)
	s.scarce.jobs = nil
}

// takeUpOf does now what was put off of one task, because more is to be done for it.
func (s *Supervisor) takeUpOf(id event.Subject) {
	s.scarce.jobs = slices.DeleteFunc(s.scarce.jobs, func(j job) bool {
		if j.of == id {
			j.tried = true
			s.jobs.add(j)
			s.scarce.tries++
		}
		return j.of == id
	})
}

// closed returns why a source of admission control keeps new work from starting; "" if none does.
func (s *Supervisor) closed() string {
	for _, a := range s.cfg.Admission {
		if why := a.Closed(); why != "" {
			return why
		}
	}
	return ""
}

// gate says why nothing new should start.
func (s *Supervisor) gate(now time.Duration) string {
	if why := s.closed(); why != "" {
		return why
	}
	if len(s.scarce.jobs)+s.scarce.tries > 0 || now < s.scarce.until {
		return "the machine lacks something, and what failed for it is tried again: " + s.scarce.why
	}
	s.scarce.why = ""
	return ""
}
