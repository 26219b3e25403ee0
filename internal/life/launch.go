package life

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"muster/internal/event"
)

// maxLaunches is how often in a row the supervisor may fail to start an agent before a person is asked.
const maxLaunches = 3

// restartPause returns the pause before an attempt. It grows, so that an agent that ends at once cannot restart in a
// loop: none before the second attempt, which mostly succeeds, then 10 s, 1 min, and 5 min.
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

// slotGranted starts what the task waited for.
func (s *step) slotGranted() {
	ready := !s.t.Stopping && len(s.t.Open) == 0
	switch {
	case s.t.PutOff != nil:
		s.tryAgain()
	case s.t.State == event.Queued && ready && !s.t.Agent.Live:
		s.move(ruleSlotGranted, "", "")
		s.act(event.PrepareArgs{})
	case s.t.State == event.Limited && ready:
		s.wake()
	case s.t.State == event.Limited:
		s.emit(event.SlotReleased{}) // it is queued again when its open action has ended
	case s.in(running...): // it has a slot already
	default: // stopped or parked in the meantime
		s.freeSlot()
	}
}

// prepared continues from a worktree to the start of an agent.
func (s *step) prepared(f *Failure) {
	if s.t.State != event.Preparing {
		return
	}
	if s.t.Shelved {
		return // settle continues
	}
	if f != nil {
		s.park(rulePrepareFailed, ReasonPrepare, f.Text)
		return
	}
	s.move(ruleLaunch, "", "")
	s.setDeadline(event.DeadlineTimeout, s.now.Add(s.t.Spec.Timeout), false)
	s.startWall()
	why := s.t.Next
	if s.t.Gen == 0 {
		why = event.WhyFirst
	}
	s.launch(why)
}

// relaunch ends the running generation and starts another one.
func (s *step) relaunch(why event.Why, detail string) {
	if !s.startAgain(why, detail) {
		return
	}
	if s.t.Agent.Live || s.open(event.ActEnd) {
		s.emit(event.NextPlanned{Why: why})
		s.endAgent()
		return
	}
	s.launch(why)
}

// revive restarts the agent of a working task if it is gone, no message waits for it, and no finished turn waits to
// be judged. This happens if a late record shows that a waiting message had arrived.
func (s *step) revive() {
	if s.t.State == event.Working && !s.t.Agent.Live && !s.t.Agent.Turn.unjudged() && len(s.t.Open) == 0 && !s.messageWaits() {
		s.relaunch(event.WhyLost, "the agent is gone, and its turn has not ended")
	}
}

// startAgain returns to starting and forgets what the previous generation waited for.
func (s *step) startAgain(why event.Why, detail string) bool {
	if !s.in(event.Starting) && !s.move(ruleRelaunch, event.Reason(why), detail) {
		return false
	}
	if s.t.Request != nil {
		s.emit(event.RequestClosed{Request: s.t.Request.Request, How: "gone"})
	}
	s.clear(event.DeadlineFirstRecord, event.DeadlineWaiting, event.DeadlineAPIRetry, event.DeadlineAck, event.DeadlineShut, event.DeadlineStall, event.DeadlineVerdict)
	return true
}

// launch starts a generation now or after its pause, unless the caps are reached. The task is starting and has no
// live process.
func (s *step) launch(why event.Why) {
	attempt := s.attempt(why)
	switch pause := restartPause(attempt); {
	case s.used(why, attempt):
	case why.Fault() && s.t.Agent.Launches == 0 && pause > 0:
		s.emit(event.NextPlanned{Why: why})
		s.setDeadline(event.DeadlineRestart, s.now.Add(pause), false)
	default:
		s.begin(why, attempt)
	}
}

// attempt returns the number of the attempt for a generation with this reason. A launch that failed before its agent
// lived uses none.
func (s *step) attempt(why event.Why) int {
	if why.Fault() && s.t.Agent.Launches == 0 {
		return max(1, s.t.Attempt) + 1
	}
	return max(1, s.t.Attempt)
}

// used fails the task if another generation would exceed its caps, and parks it if its budget is spent.
func (s *step) used(why event.Why, attempt int) bool {
	switch {
	case attempt > max(1, s.t.Spec.Attempts):
		s.fail(ruleAttemptsUsed, ReasonAttempts, faultText(why)+", and "+usedUp(s.t.Attempt, "attempt"))
	case s.t.Gen > s.t.Spec.Respawns:
		s.fail(ruleRespawnsUsed, ReasonRespawns, fmt.Sprintf("%d generations were started, and respawns is %d", s.t.Gen, s.t.Spec.Respawns))
	default:
		return s.parkSpent()
	}
	return true
}

// begin starts a generation. Every message that has not arrived goes with its first prompt. A kind that cannot resume
// a conversation knows only its prompt, so it gets everything that a person has told it, and the newest feedback.
func (s *step) begin(why event.Why, attempt int) {
	if s.t.Held != nil {
		s.rest(why)
		return
	}
	gen := s.t.Gen + 1
	conversation := s.t.Conversation
	if conversation == "" && s.t.Spec.Traits.Resumes {
		conversation = conversationID(s.t)
	}
	resume := s.t.Gen > 0 && s.t.Spec.Traits.Resumes
	s.emitGen(gen, event.GenerationStarted{Attempt: attempt, Why: why, Conversation: conversation, Resume: resume})
	var carried []event.MessageID
	newest := newestFeedback(s.t.Messages)
	for _, m := range s.t.Messages {
		switch {
		case m.open():
			carried = append(carried, m.ID)
			s.emit(event.MessageMoved{Message: m.ID, To: event.MessageSending, Evidence: "goes with the first prompt"})
		case !s.t.Spec.Traits.Resumes && m.State == event.MessageAcked && (m.Why == event.WhyMessage || m.ID == newest):
			carried = append(carried, m.ID)
		}
	}
	s.act(event.StartArgs{Conversation: conversation, Resume: resume, Messages: carried})
}

// launched handles the outcome of a start.
func (s *step) launched(f *Failure) {
	if f != nil {
		s.launchFailed(*f)
		return
	}
	if !s.t.Agent.Live {
		s.launchFailed(Failure{Kind: FailUnknown, Text: "the start left no process"})
		return
	}
	if !s.in(event.Starting, event.Working, event.Waiting, event.Limited) {
		s.endAgent() // the task ended during the start of its agent
		return
	}
	switch promised := s.t.Spec.Traits.FirstRecord; {
	case promised == 0:
		s.ackCarried("launched")
		s.move(ruleFirstRecord, "", "")
	case !s.t.Agent.Seen:
		s.setDeadline(event.DeadlineFirstRecord, s.now.Add(promised), false)
	}
}

// stuck handles a look at an agent that did not report after its start. An unchanging screen with text is most likely
// a dialog: another start would end there as well, and only a person can answer it. A look that failed or showed
// nothing has no effect.
func (s *step) stuck(gen int, seen *event.AgentProbed) {
	if s.t.State != event.Starting || gen != s.t.Gen || !s.t.Agent.Live || s.t.Agent.Seen {
		return // it has reported meanwhile, or has ended
	}
	late := fmt.Sprintf("no first record within %s", s.t.Spec.Traits.FirstRecord)
	if seen != nil && seen.Screen != "" {
		s.park(ruleLaunchStuck, ReasonDialog, late+"; its screen stands still at: "+seen.Screen)
		return
	}
	s.relaunch(event.WhySilent, late)
}

// launchFailed tries again a little later. If a process may exist (the agent has reported, or it is unknown), it is
// ended first.
func (s *step) launchFailed(f Failure) {
	if s.t.Shelved {
		return // settle continues
	}
	if s.t.Agent.Live || f.Kind == FailUnknown || s.t.State != event.Starting {
		s.endAgent()
	}
	if s.in(event.Working, event.Waiting) {
		s.startAgain(s.t.Agent.Why, f.Text)
	}
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

// restart starts the generation whose pause is over.
func (s *step) restart() {
	if s.t.State != event.Starting || s.t.Next == "" || s.open(event.ActEnd, event.ActStart) {
		return // the open action continues it
	}
	if attempt := s.attempt(s.t.Next); !s.used(s.t.Next, attempt) {
		s.begin(s.t.Next, attempt)
	}
}

// back queues a parked task again.
func (s *step) back(why event.Why) {
	if s.t.Request != nil {
		s.emit(event.RequestClosed{Request: s.t.Request.Request, How: "gone"})
	}
	if _, spent := s.t.OverBudget(); spent && why == event.WhyRetry {
		s.emit(event.BudgetGranted{Usage: s.t.TotalUsage()})
	}
	s.tellVerdict()
	s.emit(event.NextPlanned{Why: why})
	s.move(ruleReturned, event.Reason(why), "")
}

// tellVerdict queues the feedback that the agent did not get because the task was parked.
func (s *step) tellVerdict() {
	if last := s.t.Rounds.Last; last != nil && (s.t.Reason == ReasonRounds || s.t.Reason == ReasonNoProgress || OfFinding(s.t.Reason)) {
		if text := redText(s.t, *last); text != "" {
			s.emit(event.MessageQueued{Message: s.nextMessage(), Text: text, Why: event.WhyFeedback})
		}
	}
}

// OfFinding reports whether a reason of a parked task is what its work was found to have.
func OfFinding(r event.Reason) bool {
	return slices.Contains(event.FindingKinds(), event.FindingKind(r))
}

// conversationID derives a UUID (version 8, RFC 9562) from properties that are unique to the task. The id is
// therefore known and written before the agent's first turn, and always the same.
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
	default:
		return "the agent had to be started again"
	}
}

// GoOn returns the prompt of a resumed conversation whose generation was started for a reason. The adapter adds waiting
// messages.
func GoOn(why event.Why) string {
	switch why {
	case event.WhyFeedback, event.WhyMessage:
		return "Go on with your task."
	case event.WhyAPI:
		return "Your last turn ended by an error of the service. Continue where you stopped."
	case event.WhyStall:
		return "You were silent for a long time, so you were restarted in the same worktree. Look at its state, then continue where you stopped; what hung before may hang again."
	case event.WhyFirst, event.WhyCrash, event.WhySilent, event.WhyLost, event.WhyRetry, event.WhyNudge, event.WhyBudget:
	}
	return "You were interrupted and started again in the same worktree. Look at what is there, then go on where you stopped."
}
