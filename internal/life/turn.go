package life

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"muster/internal/event"
	"muster/internal/text"
)

// maxAPIErrors is how often in a row a turn may end by an error of the model's service before a person is asked.
const maxAPIErrors = 5

// sameTurn is the maximum distance of two records about the end of the same turn.
const sameTurn = 5 * time.Second

// apiPause returns the pause after the n-th API error in a row: 1 min, doubling up to 15 min.
func apiPause(n int) time.Duration {
	return min(time.Minute<<max(0, min(n-1, 4)), 15*time.Minute)
}

// reported handles a status record: it checks that the record is valid, records what it proves, then acts on it.
func (s *step) reported(in Reported) {
	r := in.Record
	if why := s.refuse(in); why != "" {
		s.emitGen(in.Gen, event.RecordRefused{Source: in.Source, Why: why, Record: &r})
		return
	}
	if r.Time.IsZero() || r.Time.After(s.now) {
		r.Time = s.now // a record from a clock that is ahead must not make later records stale
	}
	s.proved(r)
	if why := s.distrust(&r); why != "" {
		s.emitGen(in.Gen, event.RecordRefused{Source: in.Source, Why: why, Record: &r})
		return
	}
	if !obeyed(&r) || s.stale(r) {
		return
	}
	if !s.in(event.Starting, event.Working, event.Waiting, event.Stalled, event.Limited, event.Checking, event.Publishing) {
		return
	}
	if !s.t.Agent.Live && !s.open(event.ActStart) { // a quick agent reports before the outcome of its start is known
		return
	}
	if s.open(event.ActEnd) { // it is being ended, so its records change nothing
		return
	}
	if failed(r) && s.in(event.Limited, event.Publishing) {
		s.failedAgain(r)
		return
	}
	if s.queuesNudge(r) {
		s.setDeadline(event.DeadlineStall, s.now.Add(s.t.Spec.Silence), false)
		return
	}
	other := s.otherMode(r)
	note := isNote(s.t, reported(s.t, r, !ofAccount(r)), r)
	switch {
	case !s.news(r):
	case note && s.tooManyNotes():
		s.notesDropped(in.Source)
	default:
		s.emit(event.AgentReported{Record: r, Note: note, Account: ofAccount(r)})
	}
	if other && s.in(table[ruleLaunchMode].From...) {
		s.parkMode(r.PermissionMode)
		return
	}
	s.follow(r, in.Ask)
}

// otherMode reports whether a record is the first of its generation that has a permission mode, and that mode is not the one
// that the configuration asks for. Later the agent may change its mode, as at the end of a plan.
func (s *step) otherMode(r event.Record) bool {
	want := s.t.Spec.Traits.Mode
	return want != "" && r.PermissionMode != "" && s.t.Agent.Mode == "" && r.PermissionMode != want
}

// parkMode parks a task whose agent would ask for more or for less than its configuration says.
func (s *step) parkMode(mode string) {
	if s.t.Request != nil {
		s.emit(event.RequestClosed{Request: s.t.Request.Request, How: "gone"})
	}
	s.park(ruleLaunchMode, ReasonLaunch, fmt.Sprintf("its permission mode is %s, and its configuration asks for %s", text.Line(mode, 40), s.t.Spec.Traits.Mode))
}

// Notes are for people, who read a few in a minute; an agent that writes them in a loop must not fill the log.
const (
	mostNotes  = 30 // in each notesTime
	notesTime  = time.Minute
	whyDropped = "it wrote more than 30 notes within a minute: further ones are left out until the minute is over"
)

// tooManyNotes reports whether a further note would be too many.
func (s *step) tooManyNotes() bool {
	a := s.t.Agent
	since := s.now.Sub(a.NotesFrom)
	return a.Notes >= mostNotes && 0 <= since && since < notesTime
}

// notesDropped records once that notes are left out.
func (s *step) notesDropped(source string) {
	if s.t.Agent.Notes == mostNotes {
		s.emit(event.RecordRefused{Source: source, Why: whyDropped, Notes: true})
	}
}

// obeyed reports whether a record is about the agent's turn, and adds what a short one leaves out.
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

// failed reports whether a record says that the turn ended by an error.
func failed(r event.Record) bool {
	return r.State == event.RecordError || r.State == event.RecordLimited
}

// failedAgain handles a second record about a known error, or a late one. It does not count again, but it may have
// the end of the limit.
func (s *step) failedAgain(r event.Record) {
	if s.t.State != event.Limited || s.t.Next != "" || !r.Until.After(s.now) {
		return
	}
	// The end of a limit from a transcript is more exact than the end that a hook reads from a text.
	if d, ok := s.t.Deadline(event.DeadlineAPIRetry); !ok || !d.Instant || r.Src == event.SrcTranscript {
		s.setDeadline(event.DeadlineAPIRetry, r.Until, true)
	}
}

// refuse returns why a record is not accepted; "" if it is.
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

// stale reports whether a newer record was accepted already. If that one is in the future, the clock was set back,
// and nothing is stale. How a turn failed or was broken off belongs to it within sameTurn of its end, because hook and
// status file report independently.
func (s *step) stale(r event.Record) bool {
	at := s.t.Agent.ReportedAt
	if (failed(r) || r.Interrupted) && s.t.Agent.Turn.Over() && at.Sub(r.Time) < sameTurn {
		return false
	}
	return r.Time.Before(at) && !at.After(s.now)
}

// proved records what a record proves in any state: messages that arrived, and usage.
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

// news reports whether accepting the record changes anything. A record without a change is not logged, so that the
// log grows with events and not with time.
func (s *step) news(r event.Record) bool {
	a, after := s.t.Agent, reported(s.t, r, !ofAccount(r))
	b := after.Agent
	return !a.Seen || a.Hooked != b.Hooked || after.Stage != s.t.Stage || a.Turn != b.Turn || a.Claimed != b.Claimed || a.Mode != b.Mode ||
		a.Error != b.Error || r.Prompted || r.Verdict != nil || after.Note != s.t.Note || after.APIErrors != s.t.APIErrors ||
		r.State == event.RecordWaiting && s.newRequest(r)
}

func (s *step) newRequest(r event.Record) bool {
	return s.t.Request == nil || r.Request != "" && r.Request != s.t.Request.Request
}

// follow handles the consequences of an accepted record.
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

// alive records that the agent reports.
func (s *step) alive() {
	switch s.t.State {
	case event.Starting:
		s.clear(event.DeadlineFirstRecord)
		s.move(ruleFirstRecord, "", "")
	case event.Stalled:
		s.clear(event.DeadlineStall)
		s.move(ruleSilenceEnded, "", "")
	default: // it did not count as silent
	}
}

// wentOn records that a limited agent works again without help. It runs without a slot, so it gets one.
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
	s.clear(event.DeadlineFirstRecord, event.DeadlineStall, event.DeadlineVerdict)
	req := event.RequestOpened{Request: r.Request, Reason: r.Reason, Tool: r.Tool, Text: r.Note, Options: r.Options, Ask: ask}
	verdict := s.verdict(req)
	req.Unjudged = verdict.Why
	s.emit(req)
	if s.t.State != event.Waiting {
		s.move(ruleRequestOpened, event.Reason(r.Reason), r.Note)
	}
	s.rule(verdict)
}

// closeRequest closes the open request, and the task works again.
func (s *step) closeRequest(how string) {
	if s.t.Request == nil {
		return
	}
	s.emit(event.RequestClosed{Request: s.t.Request.Request, How: how})
	s.clear(event.DeadlineWaiting)
	s.move(ruleRequestClosed, "", "")
}

// answered handles a person's answer. It goes to the hook that holds the request, or, if no process waits for it any
// more, as a message to the resumed conversation.
func (s *step) answered(p event.AnswerRequested) {
	req := s.t.Request
	if req == nil || p.Request != req.Request || p.Decision == event.Allow && !req.Shown(p.Hash) {
		return
	}
	if s.t.State == event.Waiting {
		if !s.answering(p.Request) {
			args := event.AnswerArgs{Request: p.Request, Decision: p.Decision, Text: p.Text, Hash: p.Hash}
			if args.Hash == "" && req.Ask != nil {
				args.Hash = req.Ask.Hash // the request that is open is the one that is answered
			}
			s.act(args)
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

// answering reports whether the answer to a request is open. The answer to an earlier request may be open, too: the
// agent may ask again before that outcome is recorded.
func (s *step) answering(request string) bool {
	return slices.ContainsFunc(s.t.Open, func(a event.Action) bool {
		answer, ok := a.Args.(event.AnswerArgs)
		return ok && answer.Request == request
	})
}

// answerText returns the message about a person's decision to a conversation that was parked with a request.
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

// apiError handles a turn that ended by an error of the model's service.
func (s *step) apiError(r event.Record) {
	s.clear(event.DeadlineFirstRecord, event.DeadlineStall, event.DeadlineWaiting, event.DeadlineVerdict)
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

// lasting returns the reason to park for errors that a retry would only repeat.
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

// goOn is the message to an agent whose turn ended by an error of the model's service.
const goOn = "Your last turn ended by an error of the service. Go on where you stopped. " + lostTask

// wake continues after an API error, with a slot.
func (s *step) wake() {
	if !s.t.Agent.Live {
		s.relaunch(cmp.Or(s.t.Next, event.WhyAPI), "")
		return
	}
	s.clear(event.DeadlineAPIRetry)
	s.move(ruleAPIRetry, "", "")
	s.emit(event.NextPlanned{})
	if !s.messageWaits() {
		s.emit(event.MessageQueued{Message: s.nextMessage(), Text: goOn, Why: event.WhyAPI})
	}
}

// exited handles the end of the agent's process.
func (s *step) exited(in Exited) {
	if in.Gen != s.t.Gen || !s.t.Agent.Live {
		return
	}
	asked := s.open(event.ActEnd)
	if asked && in.Cause == event.CauseOwn {
		in.Cause = event.CauseEnded
	}
	// A person who broke off a turn that began beside the checks has left something to decide.
	wasIdle := s.t.Agent.Turn == TurnIdle || s.t.Agent.Turn == TurnEnded
	s.emit(event.AgentExited{Cause: in.Cause, Exit: in.Exit, Signal: in.Signal, Known: in.Known})
	if asked || s.t.Stopping || s.t.Shelved || s.in(event.Parked, event.Publishing, event.InReview) {
		return // the outcome of the action continues from here
	}
	if s.t.Spec.Traits.ExitIsTurn && in.Cause == event.CauseOwn && in.Known && in.Exit == 0 && in.Signal == 0 {
		s.exitedWell()
		return
	}
	if s.t.State == event.Limited || s.t.State == event.Checking && wasIdle {
		return // it had nothing to do, whether it crashed or a person quit it, and is started again when it has
	}
	switch {
	case in.Lack != "":
		s.relaunch(event.WhyLost, in.Lack)
		s.awaitStart(in.Lack)
		return
	case in.Held != "" && s.in(event.Starting):
		s.endAgent() // the process that holds the lock may be the agent itself
		s.park(ruleLaunchFailed, ReasonLaunch, in.Held)
		return
	case in.Cause == event.CauseLost:
		s.relaunch(event.WhyLost, "its tmux server or the machine went away")
		return
	}
	if in.Known && in.Exit == 0 && in.Signal == 0 && s.t.Spec.Traits.Resumes {
		// An agent that works in turns does not end by itself: a person quit it (/exit, Ctrl-D). A restart would take
		// the terminal from that person, and an attempt from the task.
		s.park(ruleQuit, ReasonQuit, exitText(in)+", as when somebody quits it")
		return
	}
	s.relaunch(event.WhyCrash, exitText(in))
}

// exitedWell handles an exit that ends the turn and claims that the task is done.
func (s *step) exitedWell() {
	s.emit(event.AgentReported{Record: event.Record{State: event.RecordDone, Src: event.SrcExit, Time: s.now}})
	s.emit(event.AgentReported{Record: event.Record{State: event.RecordIdle, Src: event.SrcExit, Time: s.now}})
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
