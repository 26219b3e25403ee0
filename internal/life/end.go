package life

import (
	"fmt"
	"slices"
	"time"

	"muster/internal/event"
)

// reviewLimit is how long work may wait for its review.
const reviewLimit = 14 * 24 * time.Hour

// finished takes the outcome of an action: first its facts, then what follows from them.
func (s *step) finished(in Finished) {
	a, ok := openAction(s.t, in.ID)
	if !ok {
		return // done already, by this supervisor or the one before
	}
	if s.putOff(a, &in) {
		return
	}
	if s.t.IsPutOff(a.ID) { // it was under way twice, and the other run came to its end
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
			s.endAgent() // whatever came of it
		}
		return // settle goes on
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
		// the facts say it all
	}
}

// facts writes what an action found out or made true: these kinds and no others, since what follows from them is
// decided here. Nor is a round written here: whether it counts is a decision.
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

// messageFact is what a look at the world proved about a message.
func (s *step) messageFact(a event.Action, f event.MessageMoved) {
	m, ok := s.t.Message(f.Message)
	if !ok || !m.open() {
		return
	}
	if f.To != event.MessageAcked && m.State == event.MessageSending && m.Gen > a.Gen {
		return // a later generation has it: only that it had arrived before still means something
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

// published goes from published work to the end of the agent.
func (s *step) published(f *Failure) {
	if s.t.State != event.Publishing {
		return
	}
	switch {
	case f != nil && f.Kind == FailMoved && s.t.Rounds.Spent < s.t.Spec.Rounds+maxVoids: // each green round is spent, too
		s.emit(event.RoundFinished{Round: s.t.Rounds.Count, Void: f.Text})
		s.move(ruleTreeMoved, "", f.Text)
		s.check()
	case f != nil:
		s.park(rulePublishRefused, ReasonPublish, f.Text)
	case s.t.Published != nil && s.t.Published.URL != "":
		s.move(ruleInReview, "", s.t.Published.URL)
		s.clearAll()
		s.setDeadline(event.DeadlineReview, s.now.Add(reviewLimit), false)
		s.endAgent()
	default:
		s.endAgent()
	}
}

// endAgent ends everything that the agent started; what follows is in ended.
func (s *step) endAgent() {
	if !s.open(event.ActEnd) {
		s.act(event.EndArgs{})
	}
}

// maxEnds is how often muster tries to end an agent before it goes on without.
const maxEnds = 3

// ended goes on when nothing of the agent runs any more.
func (s *step) ended(f *Failure) {
	if f != nil && s.t.Agent.Ends < maxEnds {
		s.endAgent()
		return
	}
	if s.t.Agent.Live {
		s.emit(event.AgentExited{Cause: event.CauseEnded})
	}
	switch {
	case s.t.State.Final() || s.t.State == event.Parked || s.t.State == event.InReview:
		s.freeSlot()
	case s.t.State == event.Publishing && s.open(event.ActPublish):
		// published goes on from here
	case s.t.State == event.Publishing && f == nil && s.t.Spec.Publish != event.PublishNone:
		s.act(event.CleanArgs{})
	case s.t.State == event.Publishing:
		s.finish()
	case s.t.Stopping:
		// settle goes on
	case s.t.Shelved:
		if !s.open(event.ActCheck, event.ActPrepare) { // else settle goes on when its job has ended, too
			s.shelved()
		}
	case s.t.State == event.Starting && s.t.Next != "":
		if _, pause := s.t.Deadline(event.DeadlineRestart); !pause {
			s.launch(s.t.Next)
		}
	}
}

// finish ends a task well.
func (s *step) finish() {
	if !s.move(rulePublished, "", s.doneText()) {
		return
	}
	s.clearAll()
	if s.t.Spec.Publish != event.PublishNone { // what went nowhere stays as it is until it is removed
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

// park stops here until a person comes: the process ends, its conversation, worktree and last screen stay.
func (s *step) park(r rule, reason event.Reason, detail string) {
	if !s.move(r, reason, detail) {
		return
	}
	s.wrapUp()
}

// fail ends a task for good; its work stays where it is.
func (s *step) fail(r rule, reason event.Reason, detail string) {
	if !s.move(r, reason, detail) {
		return
	}
	s.wrapUp()
}

// wrapUp ends what still runs of a task that goes no further, be it what an agent that is gone has left behind.
func (s *step) wrapUp() {
	s.clearAll()
	if s.t.Gen > 0 && !s.open(event.ActStart) && !s.justDone(event.ActEnd) { // a start under way has its end first
		s.endAgent()
	}
	s.freeSlot()
}

func (s *step) clearAll() {
	for len(s.t.Deadlines) > 0 {
		s.clear(s.t.Deadlines[0].Name)
	}
}

// stop ends a task that a person stopped: first everything that runs, then its work is kept, then it is over.
// It is called whenever something changes until then.
func (s *step) stop() {
	switch {
	case s.open(event.ActEnd) || s.t.State == event.Publishing: // what passed is not stopped half-way
	case s.t.Agent.Live || s.open(event.ActStart, event.ActCheck, event.ActPrepare):
		s.endAll()
	case len(s.t.Open) > 0:
	case s.t.Worktree != "" && !s.justDone(event.ActKeep):
		s.act(event.KeepArgs{})
	default:
		s.move(ruleStopped, ReasonStopped, "")
		s.clearAll()
		s.freeSlot()
	}
}

// endPause is the pause before what still runs of a task is ended again.
const endPause = 15 * time.Second

// endAll ends everything that runs of a task: its agent, its round, its setup. The outcome of a job that was ended comes
// a moment later; until then it is not ended again, which would be a loop. A start under way has its end first.
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

// endedAll reports whether all that ran of a task was ended, and the outcome of its job has come.
func (s *step) endedAll() bool {
	_, tried := s.t.Deadline(event.DeadlineEnd)
	return tried && !s.t.Agent.Live && !s.open(event.ActCheck, event.ActPrepare)
}

// endJobs ends the job of a task that has gone no further, such as a round that was begun a moment before.
func (s *step) endJobs() {
	switch {
	case !s.open(event.ActCheck, event.ActPrepare):
		s.clear(event.DeadlineEnd)
	case !s.open(event.ActEnd):
		s.endAll()
	}
}

// Wanted reports whether an open action still has a purpose. Otherwise it is not begun again.
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

// justDone tells whether the outcome of such an action is what this step is about.
func (s *step) justDone(kind event.ActionKind) bool {
	for _, e := range s.events {
		if f, ok := e.Data.(event.ActionFinished); ok && f.What == kind {
			return true
		}
	}
	return false
}

// shelve takes the agent down with the fleet; it is resumed at the next up.
func (s *step) shelve() {
	if s.in(running...) && !s.t.Shelved && !s.t.Stopping {
		s.emit(event.Shelved{On: true})
	}
}

// takeDown goes on with shelving. It is called whenever something changes until then. What passed is not
// stopped half-way; a start under way has its end first.
func (s *step) takeDown() {
	switch {
	case !s.in(running...) || s.t.State == event.Publishing || s.open(event.ActStart, event.ActEnd):
	case s.t.State == event.Preparing && !s.open(event.ActPrepare), s.endedAll():
		s.shelved()
	default:
		s.endAll()
	}
}

// shelved puts the task in line again. A plan that was made already stays: what counted as an attempt still does.
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

// due takes a deadline that has passed. It is gone, whatever follows.
func (s *step) due(in Due) {
	name := in.Name
	d, ok := s.t.Deadline(name)
	if !ok || d.At.After(s.now) {
		return
	}
	if d.Left > 0 { // its clock stands still: it is never due, however far the machine's clock has been set
		s.emit(event.DeadlineSet{Name: name, At: s.now.Add(farAway), Left: d.Left})
		return
	}
	if name == event.DeadlineSilence && !s.t.Stopping && !s.t.Shelved && s.quiet(in) {
		return // it was moved, which is the rule: an agent that is well costs one event
	}
	s.clear(name)
	if s.t.Stopping || s.t.Shelved && s.t.State != event.Publishing {
		return // it ends anyhow
	}
	switch name {
	case event.DeadlineTimeout:
		if s.t.State == event.Publishing { // what passed is not thrown away for being late, but it may come back
			s.setDeadline(event.DeadlineTimeout, s.now.Add(time.Minute), false)
			return
		}
		s.fail(ruleTimeout, ReasonTimeout, fmt.Sprintf("it ran for %s", s.t.Spec.Timeout))
	case event.DeadlineFirstRecord:
		switch {
		case s.t.State != event.Starting:
		case s.open(event.ActProbe): // of the generation before
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
	case event.DeadlineSilence, event.DeadlineSettle, event.DeadlineEnd:
		// settle goes on: it listens again, or judges
	case event.DeadlineLack: // it stands in line for a slot, with which it is tried again
	case event.DeadlineLackEnd:
		if s.t.AwaitsRoom() {
			s.giveUp(FailRefused)
		}
	case event.DeadlineStall:
		s.stage()
	case event.DeadlineRest: // an account's
	case event.DeadlineReview:
		s.park(ruleReviewEnd, ReasonReview, "")
	case event.DeadlineKeep:
		if s.t.State.Final() {
			s.act(event.CloseArgs{})
		}
	}
}

// expire parks a task whose request nobody answered; the request stays, so that `answer` brings it back.
func (s *step) expire() {
	if s.t.State != event.Waiting || s.t.Request == nil {
		return
	}
	if s.answering(s.t.Request.Request) {
		s.setDeadline(event.DeadlineWaiting, s.now.Add(time.Minute), false)
		return
	}
	s.park(ruleRequestExpired, event.Reason(s.t.Request.Reason), s.t.Request.Text)
}
