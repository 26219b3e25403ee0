package life

import (
	"fmt"
	"slices"
	"time"

	"muster/internal/event"
	"muster/internal/text"
)

// maxAPIErrors is how often in a row a turn may end by an error of the model's service before a person is asked.
const maxAPIErrors = 5

// sameTurn is how far apart two records may be that speak of the end of the same turn.
const sameTurn = 5 * time.Second

// apiPause is the pause after the n-th API error in a row: 1 min, doubling, 15 min at most.
func apiPause(n int) time.Duration {
	return min(time.Minute<<max(0, min(n-1, 4)), 15*time.Minute)
}

// reported takes a status record: fences it, notes what it proves, then follows it.
func (s *step) reported(in Reported) {
	r := in.Record
	if why := s.refuse(in); why != "" {
		s.emitGen(in.Gen, event.RecordRefused{Source: in.Source, Why: why, Record: &r})
		return
	}
	if r.Time.IsZero() || r.Time.After(s.now) {
		r.Time = s.now // a writer's clock that is ahead must not shut out the records after it
	}
	s.proved(r)
	if !obeyed(&r) || s.stale(r) {
		return
	}
	if !s.in(event.Starting, event.Working, event.Waiting, event.Stalled, event.Limited, event.Checking, event.Publishing) {
		return
	}
	if !s.t.Agent.Live && !s.open(event.ActStart) { // a quick agent reports before its start is known to have worked
		return
	}
	if s.open(event.ActEnd) { // it is being ended; what it still says changes nothing
		return
	}
	if failed(r) && s.in(event.Limited, event.Publishing) {
		s.failedAgain(r)
		return
	}
	if s.news(r) {
		s.emit(event.AgentReported{Record: r})
	}
	s.follow(r, in.Ask)
}

// obeyed tells whether a record speaks of the agent's turn, and fills in what a terse one leaves out.
func obeyed(r *event.Record) bool {
	switch r.State {
	case event.RecordWorking, event.RecordIdle, event.RecordDone, event.RecordLimited:
		return true
	case event.RecordError:
		if r.Error == "" {
			r.Error = event.ErrorOther
		}
		return true
	case event.RecordWaiting:
		if r.Reason == "" {
			r.Reason = event.WaitQuestion
		}
		return true
	case event.RecordLaunched, event.RecordExited:
	}
	return false
}

// failed tells whether a record says that the turn ended by an error.
func failed(r event.Record) bool {
	return r.State == event.RecordError || r.State == event.RecordLimited
}

// failedAgain takes a second word about an error that is known, or one that comes too late to matter: it counts
// no second time, but it may be the one that knows when the limit ends.
func (s *step) failedAgain(r event.Record) {
	if s.t.State != event.Limited || s.t.Next != "" || !r.Until.After(s.now) {
		return
	}
	// The end that a hook reads out of words is less exact than the figure of a transcript, whichever comes first.
	if d, ok := s.t.Deadline(event.DeadlineAPIRetry); !ok || !d.Instant || r.Src == SourceTranscript {
		s.setDeadline(event.DeadlineAPIRetry, r.Until, true)
	}
}

// refuse says why a record is not to be obeyed; "" if it is.
func (s *step) refuse(in Reported) string {
	switch {
	case in.Gen != s.t.Gen:
		return fmt.Sprintf("it is of generation %d, and %d is the newest", in.Gen, s.t.Gen)
	case in.Record.Gen != 0 && in.Record.Gen != in.Gen:
		return fmt.Sprintf("it claims generation %d in the file of generation %d", in.Record.Gen, in.Gen)
	case in.Record.SessionID != "" && s.t.Conversation != "" && in.Record.SessionID != s.t.Conversation:
		return "it is of another conversation"
	}
	return ""
}

// stale tells whether something newer was obeyed already. If that lies in the future the clock has been set
// back, and nothing is held against anybody. That a turn is over and that it ended by an error are said by two
// sources, neither of which waits for the other.
func (s *step) stale(r event.Record) bool {
	at := s.t.Agent.ReportedAt
	if failed(r) && s.t.Agent.Turn.Over() && at.Sub(r.Time) < sameTurn {
		return false
	}
	return r.Time.Before(at) && !at.After(s.now)
}

// proved notes what a record proves whatever its state: messages that arrived, and usage.
func (s *step) proved(r event.Record) {
	if r.Message != "" {
		s.ack(r.Message, r.Src)
	}
	if r.Prompted {
		s.ackCarried(r.Src)
	}
	if r.Usage != nil {
		p := event.UsageRecorded{Conversation: s.t.Conversation, Usage: *r.Usage}
		for _, u := range s.t.Usage {
			if u == Usage(p) {
				return
			}
		}
		s.emit(p)
	}
}

// news tells whether obeying the record changes anything. What changes nothing is not written: a log that
// repeated every heartbeat would grow with time and not with what happens.
func (s *step) news(r event.Record) bool {
	a, after := s.t.Agent, reported(s.t, r)
	b := after.Agent
	return !a.Seen || a.Turn != b.Turn || a.Claimed != b.Claimed || a.Mode != b.Mode ||
		a.Error != b.Error || r.Prompted || after.Note != s.t.Note || after.APIErrors != s.t.APIErrors ||
		r.State == event.RecordWaiting && s.newRequest(r)
}

func (s *step) newRequest(r event.Record) bool {
	return s.t.Request == nil || r.Request != "" && r.Request != s.t.Request.Request
}

// follow draws the consequences of a record that is obeyed.
func (s *step) follow(r event.Record, ask *event.Ask) {
	switch r.State {
	case event.RecordWorking, event.RecordIdle, event.RecordDone:
		s.alive()
		if r.State != event.RecordDone && s.t.Request != nil {
			s.closeRequest("by the agent")
		}
		if r.State == event.RecordWorking {
			s.wentOn()
		}
	case event.RecordWaiting:
		s.asked(r, ask)
	case event.RecordError, event.RecordLimited:
		s.apiError(r)
	case event.RecordLaunched, event.RecordExited:
	}
}

// alive notes that the agent reports.
func (s *step) alive() {
	switch s.t.State {
	case event.Starting:
		s.clear(event.DeadlineFirstRecord)
		s.move(ruleFirstRecord, "", "")
	case event.Stalled:
		s.clear(event.DeadlineStall)
		s.move(ruleSilenceEnded, "", "")
	default: // nobody doubted it
	}
}

// wentOn notes that a limited agent works again by itself: it has no slot, but it runs, and the line must know.
func (s *step) wentOn() {
	if s.t.State != event.Limited {
		return
	}
	if !s.t.Slot {
		s.emit(event.SlotGranted{})
	}
	if s.t.Next != "" {
		s.emit(event.NextPlanned{})
	}
	s.clear(event.DeadlineAPIRetry)
	s.move(ruleWentOn, "", "")
}

// asked opens a permission request or question.
func (s *step) asked(r event.Record, ask *event.Ask) {
	s.wentOn()
	if s.t.State == event.Publishing || !s.newRequest(r) {
		return
	}
	s.clear(event.DeadlineFirstRecord, event.DeadlineStall)
	s.emit(event.RequestOpened{Request: r.Request, Reason: r.Reason, Tool: r.Tool, Text: r.Note, Options: r.Options, Ask: ask})
	if s.t.State != event.Waiting {
		s.move(ruleRequestOpened, event.Reason(r.Reason), r.Note)
	}
	s.setDeadline(event.DeadlineWaiting, s.now.Add(s.t.Spec.WaitLimit), false)
}

// closeRequest ends the open request; the task works again.
func (s *step) closeRequest(how string) {
	if s.t.Request == nil {
		return
	}
	s.emit(event.RequestClosed{Request: s.t.Request.Request, How: how})
	s.clear(event.DeadlineWaiting)
	s.move(ruleRequestClosed, "", "")
}

// answered takes a person's answer: to the hook that holds the request, or, when no process waits for it any
// more, as a message to the conversation that is brought back.
func (s *step) answered(p event.AnswerRequested) {
	req := s.t.Request
	if req == nil || p.Request != req.Request || p.Decision == event.Allow && !req.Shown(p.Hash) {
		return
	}
	if s.t.State == event.Waiting {
		if !s.answering(p.Request) {
			s.act(event.AnswerArgs(p))
		}
		return
	}
	if s.t.State != event.Parked {
		return
	}
	s.emit(event.MessageQueued{Message: s.nextMessage(), Text: answerText(*req, p), Why: event.WhyMessage})
	s.emit(event.RequestClosed{Request: req.Request, How: "answered"})
	s.back(event.WhyMessage)
}

// answering tells whether a request's answer is under way. That of the request before may be, too: an agent that has it
// asks on before anybody could note that it was given.
func (s *step) answering(request string) bool {
	return slices.ContainsFunc(s.t.Open, func(a event.Action) bool {
		answer, ok := a.Args.(event.AnswerArgs)
		return ok && answer.Request == request
	})
}

// answerText tells a conversation that was parked with a request what a person decided.
func answerText(req event.RequestOpened, p event.AnswerRequested) string {
	about := req.Text
	if about == "" {
		about = req.Tool
	}
	switch p.Decision {
	case event.Allow:
		return "Your request was allowed: " + about + "\nGo on."
	case event.Deny:
		return "Your request was denied: " + about + "\n" + p.Text + "\nGo on another way."
	case event.Reply:
	}
	return "You asked: " + about + "\nThe answer: " + p.Text
}

// apiError reacts to a turn that ended by an error of the model's service.
func (s *step) apiError(r event.Record) {
	s.clear(event.DeadlineFirstRecord, event.DeadlineStall, event.DeadlineWaiting)
	if s.t.Request != nil {
		s.emit(event.RequestClosed{Request: s.t.Request.Request, How: "by an error"})
	}
	if reason := lasting(r.Error); reason != "" {
		s.park(ruleAPIEnd, reason, r.Note)
		return
	}
	if s.t.APIErrors > maxAPIErrors {
		s.park(ruleAPIEnd, ReasonAPI, fmt.Sprintf("%d turns in a row ended by an error, the last: %s", s.t.APIErrors, r.Note))
		return
	}
	s.move(ruleAPIError, event.Reason(s.t.Agent.Error), r.Note)
	at, instant := s.now.Add(apiPause(s.t.APIErrors)), false
	if r.Until.After(s.now) {
		at, instant = r.Until, true
	}
	s.setDeadline(event.DeadlineAPIRetry, at, instant)
	if s.t.Slot {
		s.emit(event.SlotReleased{})
	}
}

// lasting gives the reason to park for errors that a retry would only repeat.
func lasting(k event.ErrorKind) event.Reason {
	switch k {
	case event.ErrorAuth:
		return ReasonAuth
	case event.ErrorBilling:
		return ReasonBilling
	case event.ErrorContextFull:
		return ReasonContextFull
	case event.ErrorInvalidRequest:
		return ReasonAPI
	default:
		return ""
	}
}

// wake goes on after an API error, with a slot.
func (s *step) wake() {
	if !s.t.Agent.Live {
		s.relaunch(event.WhyAPI, "")
		return
	}
	s.clear(event.DeadlineAPIRetry)
	s.move(ruleAPIRetry, "", "")
	s.emit(event.NextPlanned{})
	if !s.messageWaits() {
		s.emit(event.MessageQueued{Message: s.nextMessage(), Text: "Your last turn ended by an error of the service. Go on where you stopped.", Why: event.WhyAPI})
	}
}

// exited takes the end of the agent's process.
func (s *step) exited(in Exited) {
	if in.Gen != s.t.Gen || !s.t.Agent.Live {
		return
	}
	asked := s.open(event.ActEnd)
	if asked && in.Cause == event.CauseOwn {
		in.Cause = event.CauseEnded
	}
	wasIdle := s.t.Agent.Turn.Over()
	s.emit(event.AgentExited{Cause: in.Cause, Exit: in.Exit, Signal: in.Signal, Known: in.Known})
	if asked || s.t.Stopping || s.t.Shelved || s.in(event.Parked, event.Publishing, event.InReview) {
		return // the end of the action goes on from here
	}
	if s.t.Spec.Traits.ExitIsTurn && in.Cause == event.CauseOwn && in.Known && in.Exit == 0 && in.Signal == 0 {
		s.exitedWell()
		return
	}
	if s.t.State == event.Limited || s.t.State == event.Checking && wasIdle {
		return // it had nothing to do; if it has again, it will be started again
	}
	switch {
	case in.Lack != "":
		s.relaunch(event.WhyLost, in.Lack)
		s.awaitStart(in.Lack)
		return
	case in.Cause == event.CauseLost:
		s.relaunch(event.WhyLost, "its tmux server or the machine went away")
		return
	}
	if in.Known && in.Exit == 0 && in.Signal == 0 && s.t.Spec.Traits.Resumes {
		// An agent that works in turns does not end by itself. It was quit (/exit, Ctrl-D), and started again it would take
		// the terminal from the person who did so, and an attempt from the task.
		s.park(ruleQuit, ReasonQuit, exitText(in)+", as when somebody quits it")
		return
	}
	s.relaunch(event.WhyCrash, exitText(in))
}

// exitedWell is an exit that ends the turn and claims that the task is done.
func (s *step) exitedWell() {
	s.emit(event.AgentReported{Record: event.Record{State: event.RecordDone, Src: SourceExit, Time: s.now}})
	s.emit(event.AgentReported{Record: event.Record{State: event.RecordIdle, Src: SourceExit, Time: s.now}})
	if s.t.Request != nil {
		s.closeRequest("gone")
	}
	s.alive()
	s.wentOn()
}

func exitText(in Exited) string {
	if !in.Known {
		return "the agent's process is gone; its exit status is unknown"
	}
	return "the agent " + text.Exited(in.Exit, in.Signal)
}
