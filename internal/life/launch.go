package life

import (
	"crypto/sha256"
	"fmt"
	"time"

	"muster/internal/event"
)

// maxLaunches is how often in a row the supervisor itself may fail to start an agent before a person is asked.
const maxLaunches = 3

// restartPause grows with each attempt, so that an agent that ends at once cannot spin: none before the
// second attempt, which mostly succeeds, then 10 s, 1 min, and 5 min from then on.
func restartPause(attempt int) time.Duration {
	switch attempt {
	case 0, 1, 2:
		return 0
	case 3:
		return 10 * time.Second
	case 4:
		return time.Minute
	}
	return 5 * time.Minute
}

// slotGranted begins what the task stood in line for.
func (s *step) slotGranted() {
	switch {
	case s.t.State == event.Queued && !s.t.Stopping:
		s.move(ruleSlotGranted, "", "")
		s.act(event.Action{Kind: event.ActPrepare})
	case s.t.State == event.Limited && !s.t.Stopping:
		s.wake()
	default: // stopped or parked in the meantime
		s.emit(event.SlotReleased{})
	}
}

// prepared goes from a worktree to an agent in it.
func (s *step) prepared(f *Failure) {
	if s.t.State != event.Preparing {
		return
	}
	if f != nil {
		s.park(rulePrepareFailed, ReasonPrepare, f.Text)
		return
	}
	s.move(ruleLaunch, "", "")
	why := s.t.Next
	if s.t.Gen == 0 {
		why = event.WhyFirst
	}
	s.launch(why)
}

// relaunch ends what is left of the running generation and starts another one.
func (s *step) relaunch(why event.Why, detail string) {
	if !s.in(event.Starting) && !s.move(ruleRelaunch, event.Reason(why), detail) {
		return
	}
	s.clear(event.DeadlineFirstRecord, event.DeadlineWaiting, event.DeadlineAPIRetry, event.DeadlineAck, event.DeadlineStall)
	if s.t.Agent.Live {
		s.emit(event.NextPlanned{Why: why})
		s.endAgent()
		return
	}
	s.launch(why)
}

// launch starts a generation now, or after its pause, or finds that the caps are reached. The task is starting,
// and no process of it is alive.
func (s *step) launch(why event.Why) {
	attempt := max(1, s.t.Attempt)
	if why.Fault() {
		attempt++
	}
	switch {
	case attempt > s.t.Spec.Attempts:
		s.fail(ruleAttemptsUsed, ReasonAttempts, fmt.Sprintf("%s, and %d of %d attempts are used", faultText(why), s.t.Attempt, s.t.Spec.Attempts))
	case s.t.Gen > s.t.Spec.Respawns:
		s.fail(ruleRespawnsUsed, ReasonRespawns, fmt.Sprintf("%d generations were started, and respawns is %d", s.t.Gen, s.t.Spec.Respawns))
	case why.Fault() && restartPause(attempt) > 0:
		s.emit(event.NextPlanned{Why: why})
		s.setDeadline(event.DeadlineRestart, s.now.Add(restartPause(attempt)), false)
	default:
		s.begin(why, attempt)
	}
}

// begin starts a generation: every message that has not arrived yet goes with its first prompt.
func (s *step) begin(why event.Why, attempt int) {
	gen := s.t.Gen + 1
	conversation := s.t.Conversation
	if conversation == "" && s.t.Spec.Traits.Resumes {
		conversation = conversationID(s.t)
	}
	resume := s.t.Gen > 0 && s.t.Spec.Traits.Resumes
	s.emitGen(gen, event.GenerationStarted{Attempt: attempt, Why: why, Conversation: conversation, Resume: resume})
	var carried []event.MessageID
	for _, m := range s.t.Messages {
		if !m.open() {
			continue
		}
		carried = append(carried, m.ID)
		s.emit(event.MessageMoved{Message: m.ID, To: event.MessageSending, Evidence: "goes with the first prompt"})
	}
	if _, ok := s.t.Deadline(event.DeadlineTimeout); !ok {
		s.setDeadline(event.DeadlineTimeout, s.now.Add(s.t.Spec.Timeout), false)
	}
	s.act(event.Action{Kind: event.ActStart, Conversation: conversation, Resume: resume, Messages: carried})
}

// launched takes the outcome of a start.
func (s *step) launched(f *Failure) {
	if f != nil {
		s.launchFailed(*f)
		return
	}
	if s.t.Shelved || !s.in(event.Starting, event.Working, event.Waiting, event.Limited) {
		if s.t.Agent.Live { // the task was ended while its agent was being started
			s.endAgent()
		}
		return
	}
	if s.t.Agent.Seen {
		return
	}
	if promised := s.t.Spec.Traits.FirstRecord; promised > 0 {
		s.setDeadline(event.DeadlineFirstRecord, s.now.Add(promised), false)
		return
	}
	s.ackCarried("launched")
	s.move(ruleFirstRecord, "", "")
}

func (s *step) launchFailed(f Failure) {
	if s.t.State != event.Starting {
		return
	}
	if f.Kind == FailRefused || s.t.Agent.Launches+1 >= maxLaunches {
		s.park(ruleLaunchFailed, ReasonLaunch, f.Text)
		return
	}
	s.emit(event.NextPlanned{Why: s.t.Agent.Why, LaunchFailed: true})
	s.setDeadline(event.DeadlineRestart, s.now.Add(time.Duration(s.t.Agent.Launches)*5*time.Second), false)
}

// restart begins the generation whose pause is over. A launch that failed before its agent lived costs no attempt.
func (s *step) restart() {
	if s.t.State != event.Starting || s.open(event.ActEnd, event.ActStart) {
		return
	}
	if s.t.Agent.Launches > 0 {
		s.begin(s.t.Next, s.t.Attempt)
		return
	}
	attempt := s.t.Attempt
	if s.t.Next.Fault() {
		attempt++
	}
	s.begin(s.t.Next, attempt)
}

// back puts a parked task in line again.
func (s *step) back(why event.Why) {
	if s.t.Request != nil {
		s.emit(event.RequestClosed{Request: s.t.Request.Request, How: "gone"})
	}
	s.emit(event.NextPlanned{Why: why})
	s.move(ruleReturned, event.Reason(why), "")
}

// conversationID derives a UUID (version 8: made by our own rule, RFC 9562) from what is unique to the task, so
// that the id is known, and written, before the agent's first turn, and is the same whoever computes it.
func conversationID(t Task) string {
	h := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%s", t.ID, t.QueuedAt.UnixNano(), t.Spec.Repo))
	h[6] = h[6]&0x0f | 0x80
	h[8] = h[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

func faultText(why event.Why) string {
	switch why {
	case event.WhySilent:
		return "the agent did not report in time"
	case event.WhyStall:
		return "the agent stalled"
	case event.WhyCrash:
		return "the agent ended before its turn was over"
	}
	return "the agent had to be started again"
}
