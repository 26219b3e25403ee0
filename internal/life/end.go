package life

import (
	"fmt"
	"slices"
	"time"

	"muster/internal/event"
)

// reviewLimit is the longest time that work may wait for its review.
const reviewLimit = 14 * 24 * time.Hour

// finished handles the outcome of an action: first its facts, then the consequences.
func (s *step) finished(in Finished) {
	a, ok := openAction(s.t, in.ID)
	if !ok {
		return // handled already, by this supervisor or an earlier one
	}
	if s.putOff(a, &in) {
		return
	}
	if s.t.IsPutOff(a.ID) { // it ran twice, and the other run has finished
		s.emit(event.SlotGranted{})
	}
	round, seen := s.facts(a, in)
	errText := ""
	if in.Failure != nil {
		errText = in.Failure.Text
	}
	if p := s.t.PutOff; p != nil && p.Action == a.ID {
		s.clear(event.DeadlineLack, event.DeadlineLackEnd)
	}
	s.emitGen(a.Gen, event.ActionFinished{ID: a.ID, What: a.Kind(), Error: errText})
	if s.t.Stopping && a.Kind() != event.ActEnd && s.t.State != event.Publishing {
		if a.Kind() == event.ActStart {
			s.endAgent() // whatever the outcome
		}
		return // settle continues
	}
	switch args := a.Args.(type) {
	case event.PrepareArgs:
		s.prepared(in.Failure)
	case event.StartArgs:
		s.launched(in.Failure)
	case event.DeliverArgs:
		s.delivered(a, in.Failure)
	case event.ConfirmArgs:
		s.looked(a, in.Failure)
	case event.AnswerArgs:
		if s.t.State == event.Waiting && s.t.Request != nil && s.t.Request.Request == args.Request && in.Failure == nil {
			s.closeRequest("answered")
		}
	case event.ProbeArgs:
		if args.Launch {
			s.stuck(a.Gen, seen)
			break
		}
		s.probed(a.Gen, args, seen, in.Failure)
	case event.CheckArgs:
		s.checked(round, in.Failure)
	case event.PublishArgs:
		s.published(in.Failure)
	case event.EndArgs:
		s.ended(in.Failure)
	case event.CleanArgs:
		s.finish()
	case event.RemoveArgs:
		if s.t.Removed && !s.t.State.Final() {
			s.move(ruleStopped, ReasonStopped, "removed")
		}
	case event.InterruptArgs, event.KeepArgs, event.CloseArgs, event.RestoreArgs:
		// the facts are enough
	}
}

// facts adds the facts of an action's outcome. Only these kinds are accepted, because consequences are decided here.
// A round is returned and not added, because a decision determines whether it counts.
func (s *step) facts(a event.Action, in Finished) (round *event.RoundFinished, seen *event.AgentProbed) {
	for _, f := range in.Facts {
		switch f := f.(type) {
		case event.RoundFinished:
			if check, ok := a.Args.(event.CheckArgs); ok {
				f.Round = check.Round
			}
			round = &f
		case event.AgentLaunched:
			if a.Kind() == event.ActStart && a.Gen == s.t.Gen {
				s.emitGen(a.Gen, f)
			}
		case event.FenceApplied, event.ReviewerSealed:
			if a.Kind() == event.ActStart && a.Gen == s.t.Gen {
				s.emitGen(a.Gen, f)
			}
		case event.AgentExited:
			if a.Gen == s.t.Gen && s.t.Agent.Live {
				s.emitGen(a.Gen, f)
			}
		case event.AgentProbed:
			s.emitGen(a.Gen, f)
			seen = &f
		case event.MessageMoved:
			s.messageFact(a, f)
		case event.WorktreeReady, event.WorktreeRemoved, event.WorkPublished, event.WorkKept, event.StashKept, event.TaskRemoved, event.UsageRecorded:
			s.emitGen(a.Gen, f)
		}
	}
	return round, seen
}

// messageFact handles proof about the place of a message.
func (s *step) messageFact(a event.Action, f event.MessageMoved) {
	m, ok := s.t.Message(f.Message)
	if !ok || !m.open() {
		return
	}
	if f.To != event.MessageAcked && m.State == event.MessageSending && m.Gen > a.Gen {
		return // a later generation has it, so only an earlier arrival still counts
	}
	if f.To == event.MessageWaiting && m.Gen == s.t.Gen && slices.Contains(s.t.Agent.Carries, m.ID) {
		return // it went with the first prompt, so sending it again could double it
	}
	s.emitGen(m.Gen, f)
	if f.To == event.MessageAcked {
		s.clear(event.DeadlineAck)
	}
}

func openAction(t Task, id event.ActionID) (event.Action, bool) {
	for _, a := range t.Open {
		if a.ID == id {
			return a, true
		}
	}
	return event.Action{}, false
}

// published continues from published work to the end of the agent.
func (s *step) published(f *Failure) {
	if s.t.State != event.Publishing {
		return
	}
	switch {
	case f != nil && f.Kind == FailMoved && s.t.Race != nil && !s.t.Slot: // its agent is gone, and so is its slot
		s.park(rulePublishRefused, ReasonPublish, f.Text)
	case f != nil && f.Kind == FailMoved && s.t.Rounds.Spent < s.t.Spec.Rounds+maxVoids: // each green round counts, too
		s.emit(event.RoundFinished{Round: s.t.Rounds.Count, Void: f.Text})
		s.move(ruleTreeMoved, "", f.Text)
		s.check()
	case f != nil:
		s.park(rulePublishRefused, ReasonPublish, f.Text)
	case s.t.Published != nil && s.t.Published.Mode == event.PublishMerge:
		s.enqueue()
	case s.t.Published != nil && s.t.Published.URL != "":
		s.awaitOthers(ruleInReview, s.t.Published.URL)
	default:
		s.endAgent()
	}
}

// awaitOthers lets work that passed wait for others: reviewers of a pull request, a merge queue, a race. Its agent is not needed meanwhile.
func (s *step) awaitOthers(r rule, detail string) {
	s.awaitReview(r, detail)
	s.endAgent()
}

// awaitReview moves the task into its review, whose deadline is the only one.
func (s *step) awaitReview(r rule, detail string) {
	s.move(r, "", detail)
	s.clearAll()
	s.setDeadline(event.DeadlineReview, s.now.Add(reviewLimit), false)
}

// endAgent ends everything that the agent started. ended continues after that.
func (s *step) endAgent() {
	if !s.open(event.ActEnd) {
		s.act(event.EndArgs{})
	}
}

// maxEnds is how often muster tries to end an agent before it continues without.
const maxEnds = 3

// LeftPause is the pause before muster tries again to end what it could not end. A process that waits in the kernel, as
// for a disk that does not answer, ends when the disk answers, which may be hours later.
const LeftPause = 15 * time.Minute

// ended continues after the end of the agent's processes.
func (s *step) ended(f *Failure) {
	if f != nil && s.t.Agent.Ends < maxEnds {
		s.endAgent()
		return
	}
	if s.t.Agent.Live {
		cause := event.CauseEnded
		if f != nil {
			cause = event.CauseLeft
		}
		s.emit(event.AgentExited{Cause: cause})
	}
	switch {
	case s.t.State == event.InReview:
		s.freeSlot()
		s.hearInReview()
	case s.t.State.Final() || s.t.State == event.Parked:
		s.freeSlot()
	case s.t.State == event.Publishing && s.open(event.ActPublish):
		// published continues
	case s.t.State == event.Publishing && f == nil && (s.t.Spec.Publish != event.PublishNone || s.t.Spec.Review != nil):
		s.act(event.CleanArgs{})
	case s.t.State == event.Publishing:
		s.finish()
	case s.t.Stopping:
		// settle continues
	case s.t.Shelved:
		if !s.open(event.ActCheck, event.ActPrepare) { // otherwise settle continues after the end of its job
			s.shelved()
		}
	case s.t.State == event.Starting && s.t.Next != "":
		if _, pause := s.t.Deadline(event.DeadlineRestart); !pause {
			s.launch(s.t.Next)
		}
	}
}

// finish ends a task successfully.
func (s *step) finish() {
	if !s.move(rulePublished, "", s.doneText()) {
		return
	}
	s.clearAll()
	if s.t.Spec.Publish != event.PublishNone { // unpublished work stays until the task is removed
		s.setDeadline(event.DeadlineKeep, s.now.Add(s.t.Spec.Keep), false)
	}
	s.freeSlot()
}

func (s *step) doneText() string {
	if s.t.Rounds.Last != nil {
		return verdictText(*s.t.Rounds.Last)
	}
	return ""
}

// park stops the task until a person acts. Its process ends; its conversation, worktree and last screen stay.
func (s *step) park(r rule, reason event.Reason, detail string) {
	if s.t.Spec.Review != nil { // a round waits for it, and no person does
		s.fail(ruleReviewBroken, reason, detail)
		return
	}
	if !s.move(r, reason, detail) {
		return
	}
	s.wrapUp()
}

// fail ends a task for good. Its work stays.
func (s *step) fail(r rule, reason event.Reason, detail string) {
	if !s.move(r, reason, detail) {
		return
	}
	s.wrapUp()
}

// wrapUp ends what still runs of a task that does not continue, including processes that a dead agent left behind, and a
// setup that its action could not end.
func (s *step) wrapUp() {
	s.clearAll()
	if (s.t.Gen > 0 || s.t.Setup != nil) && !s.open(event.ActStart) && !s.justDone(event.ActEnd) { // an open start must finish first
		s.endAgent()
	}
	s.freeSlot()
}

func (s *step) clearAll() {
	for len(s.t.Deadlines) > 0 {
		s.clear(s.t.Deadlines[0].Name)
	}
}

// stop ends a task that a person stopped: it ends everything that runs, then keeps the work, then changes the state.
// It is called after every change until then.
func (s *step) stop() {
	switch {
	case s.open(event.ActEnd) || s.t.State == event.Publishing: // publishing is not stopped half-way
	case s.t.Agent.Live || s.open(event.ActStart, event.ActCheck, event.ActPrepare):
		s.endAll()
	case len(s.t.Open) > 0:
	case s.t.Worktree != "" && !s.justDone(event.ActKeep):
		s.act(event.KeepArgs{})
	default:
		if s.t.lost() {
			s.move(ruleRaceLost, ReasonRaced, string(s.t.Race.Winner)+" is published: "+s.t.Race.Why)
		} else {
			s.move(ruleStopped, ReasonStopped, "")
		}
		s.clearAll()
		s.freeSlot()
	}
}

// endPause is the pause before the rest of a task is ended again.
const endPause = 15 * time.Second

// endAll ends everything that runs of a task: its agent, its round, its setup. The outcome of an ended job arrives a
// moment later; until then it is not ended again, which would be a loop. An open start must finish first.
func (s *step) endAll() {
	_, pause := s.t.Deadline(event.DeadlineEnd)
	switch {
	case s.open(event.ActStart) || pause:
	case s.justDone(event.ActEnd) && !s.t.Agent.Live:
		s.setDeadline(event.DeadlineEnd, s.now.Add(endPause), false)
	default:
		s.endAgent()
	}
}

// endedAll reports whether everything of a task was ended and its job has reported its outcome.
func (s *step) endedAll() bool {
	_, tried := s.t.Deadline(event.DeadlineEnd)
	return tried && !s.t.Agent.Live && !s.open(event.ActCheck, event.ActPrepare)
}

// endRest ends what still runs of a task that has ended or does not continue: its job, such as a round that was started a
// moment earlier, and processes that could not be ended before.
func (s *step) endRest() {
	switch _, pause := s.t.Deadline(event.DeadlineEnd); {
	case s.open(event.ActEnd):
	case s.open(event.ActCheck, event.ActPrepare):
		s.endAll()
	case !s.t.Left():
		s.clear(event.DeadlineEnd)
	case !pause:
		s.setDeadline(event.DeadlineEnd, s.now.Add(LeftPause), false)
	}
}

// Wanted reports whether an open action still has a purpose. If not, it is not started again.
func Wanted(t Task, kind event.ActionKind) bool {
	goesOn := !t.Stopping && !t.Shelved
	switch kind {
	case event.ActPrepare:
		return t.State == event.Preparing && goesOn
	case event.ActStart:
		return t.State == event.Starting && goesOn
	case event.ActCheck:
		return t.State == event.Checking && goesOn
	case event.ActPublish:
		return t.State == event.Publishing && goesOn
	default:
		return true
	}
}

// justDone reports whether this step handles the outcome of such an action.
func (s *step) justDone(kind event.ActionKind) bool {
	for _, e := range s.events {
		if f, ok := e.Data.(event.ActionFinished); ok && f.What == kind {
			return true
		}
	}
	return false
}

// shelve ends the agent together with the fleet. It is resumed at the next up.
func (s *step) shelve() {
	if s.in(running...) && !s.t.Shelved && !s.t.Stopping {
		s.emit(event.Shelved{On: true})
	}
}

// takeDown continues shelving. It is called after every change until it is complete. Publishing is not stopped
// half-way, and an open start must finish first.
func (s *step) takeDown() {
	switch {
	case !s.in(running...) || s.t.State == event.Publishing || s.open(event.ActStart, event.ActEnd):
	case s.t.State == event.Preparing && !s.open(event.ActPrepare), s.endedAll():
		s.shelved()
	default:
		s.endAll()
	}
}

// shelved queues the task again. A plan for the next generation stays, so that a counted attempt still counts.
func (s *step) shelved() {
	s.emit(event.Shelved{On: false})
	if s.t.Request != nil {
		s.emit(event.RequestClosed{Request: s.t.Request.Request, How: "gone"})
	}
	s.move(ruleShelved, "", "")
	s.clearAll()
	if s.t.Next == "" {
		s.emit(event.NextPlanned{Why: event.WhyLost})
	}
	if s.t.Slot {
		s.emit(event.SlotReleased{})
	}
}

// due handles a deadline that has passed, and removes it.
func (s *step) due(in Due) {
	name := in.Name
	d, ok := s.t.Deadline(name)
	if !ok || d.At.After(s.now) {
		return
	}
	if d.Left > 0 { // its clock is stopped, so it is never due, however far the machine's clock was set
		s.emit(event.DeadlineSet{Name: name, At: s.now.Add(farAway), Left: d.Left})
		return
	}
	if name == event.DeadlineSilence && !s.t.Stopping && !s.t.Shelved && s.quiet(in) {
		return // usually it is moved: an agent without problems costs one event
	}
	s.clear(name)
	if name == event.DeadlineEnd && s.t.Left() && !s.t.Agent.Live && !s.in(running...) {
		s.endAgent()
		return
	}
	if s.t.Stopping || s.t.Shelved && s.t.State != event.Publishing {
		return // it is ending anyway
	}
	switch name {
	case event.DeadlineTimeout:
		if s.t.State == event.Publishing { // work that passed is not discarded because it is late, but it may be sent back
			s.setDeadline(event.DeadlineTimeout, s.now.Add(time.Minute), false)
			return
		}
		s.fail(ruleTimeout, ReasonTimeout, fmt.Sprintf("it ran for %s", s.t.Spec.Timeout))
	case event.DeadlineFirstRecord:
		switch {
		case s.t.State != event.Starting:
		case s.open(event.ActProbe): // of the previous generation
			s.setDeadline(event.DeadlineFirstRecord, s.now.Add(probePause), false)
		default:
			s.act(event.ProbeArgs{Launch: true})
		}
	case event.DeadlineRestart:
		s.restart()
	case event.DeadlineWaiting:
		s.expire()
	case event.DeadlineAPIRetry:
		if s.t.State == event.Limited {
			s.emit(event.NextPlanned{Why: event.WhyAPI})
		}
	case event.DeadlineAck:
		s.ackDue()
	case event.DeadlineShut:
		s.shutDue()
	case event.DeadlineSilence, event.DeadlineSettle, event.DeadlineEnd, event.DeadlineBudget, event.DeadlineBudgetSoft:
		// settle continues: it sets the deadline again, judges, or minds the budget
	case event.DeadlineLack: // it is queued for a slot, and then tried again
	case event.DeadlineLackEnd:
		if s.t.AwaitsRoom() {
			s.giveUp(FailRefused)
		}
	case event.DeadlineStall:
		s.stage()
	case event.DeadlineRest, event.DeadlineSpread, event.DeadlineNight, event.DeadlineMerge: // belong to another subject
	case event.DeadlineReview:
		if !s.open(event.ActClean) { // otherwise it is merged
			s.park(ruleReviewEnd, ReasonReview, "")
		}
	case event.DeadlineKeep:
		switch {
		case s.t.State.Final() && s.t.Spec.Review != nil && !s.t.Removed && !s.open(event.ActRemove):
			s.act(event.RemoveArgs{})
		case s.t.State.Final():
			s.act(event.CloseArgs{})
		}
	case event.DeadlineVerdict:
		s.reviewLate()
	}
}

// expire parks a task whose request was not answered, unless a rule has an answer for that. The request stays, so that
// `answer` continues the task.
func (s *step) expire() {
	if s.t.State != event.Waiting || s.t.Request == nil {
		return
	}
	if s.answering(s.t.Request.Request) {
		s.setDeadline(event.DeadlineWaiting, s.now.Add(time.Minute), false)
		return
	}
	if s.lapse() {
		return
	}
	s.park(ruleRequestExpired, event.Reason(s.t.Request.Reason), s.t.Request.Text)
}
