package life

import (
	"fmt"
	"slices"
	"time"

	"muster/internal/event"
)

// probePause is the pause after a probe of a silent agent that failed.
const probePause = time.Minute

// stagesInSilence is the number of stages in the length of the first silence: with the default of 10 minutes, each
// stage of the reaction has 2 minutes to take effect.
const stagesInSilence = 5

// lostTask is for an agent whose conversation lacks its prompt: some agents take an unanswered prompt out of the conversation when its
// turn is broken off, by an interrupt or by the menu of a usage limit (seen with Claude Code 2.1.197 and Gemini CLI 0.61.0).
const lostTask = "Should you see no task of yours above, it stands in the file that MUSTER_PROMPT_FILE names."

// nudgeText is the message to a silent agent. It arrives ahead of an interrupt, after one, or both.
const nudgeText = "Nothing was heard of you for a while. If something hangs, end it and go on another way; else go on. " + lostTask

// listen sets the deadline by which a working agent must have reported. Reports do not move it: when it passes, the
// supervisor adds the idle time.
func (s *step) listen() {
	if _, set := s.t.Deadline(event.DeadlineSilence); !set && s.t.State == event.Working && Heeded(s.t) && !s.open(event.ActProbe) {
		s.setDeadline(event.DeadlineSilence, s.now.Add(s.t.Spec.Silence), false)
	}
}

// Heeded reports whether the silence of the task's agent is meaningful: it runs, and its kind promises records or it
// has written one.
func Heeded(t Task) bool {
	return t.Spec.Silence > 0 && t.Agent.Live && (t.Spec.Traits.FirstRecord > 0 || t.Agent.Seen)
}

// Activity is the idle time of one agent, and its limit.
type Activity struct{ Quiet, Limit time.Duration }

// ActivityOf returns the activity of a task's agent; false if its silence is not meaningful now.
func ActivityOf(t Task, quiet time.Duration) (Activity, bool) {
	ok := (t.State == event.Working || t.State == event.Stalled) && Heeded(t)
	return Activity{Quiet: quiet, Limit: t.Spec.Silence}, ok
}

// fewAgents is the minimum number of agents for a judgement about most of them.
const fewAgents = 4

// MostAreSilent reports whether more than half of the agents are silent, which indicates a problem of the machine or
// the network.
func MostAreSilent(all []Activity) bool {
	silent := 0
	for _, a := range all {
		if a.Quiet >= a.Limit {
			silent++
		}
	}
	return len(all) >= fewAgents && 2*silent > len(all)
}

// quiet handles the silence deadline. It reports whether the deadline was moved.
func (s *step) quiet(in Due) (moved bool) {
	switch {
	case s.t.State != event.Working || !Heeded(s.t) || s.open(event.ActProbe) || s.attended():
		return false // settle sets it again if silence is meaningful
	case in.Quiet < s.t.Spec.Silence:
		s.setDeadline(event.DeadlineSilence, s.now.Add(s.t.Spec.Silence-max(0, in.Quiet)), false)
	case in.Most && !s.t.Doubted:
		s.emit(event.SilenceDoubted{Quiet: in.Quiet})
		s.setDeadline(event.DeadlineSilence, s.now.Add(s.t.Spec.Silence), false)
	default:
		s.act(event.ProbeArgs{Quiet: in.Quiet})
		return false
	}
	return true
}

// attended reports whether something will wake the idle agent: a round to run, an open action or a queued message.
func (s *step) attended() bool {
	turn := s.t.Agent.Turn
	return s.t.Agent.toJudge() || turn.Over() && (len(s.t.Open) > 0 || s.messageWaits())
}

// probed handles the result of a look at a silent agent.
func (s *step) probed(gen int, probe event.ProbeArgs, seen *event.AgentProbed, f *Failure) {
	if s.t.State != event.Working || !s.t.Agent.Live || gen != s.t.Gen || s.attended() {
		return
	}
	if f != nil || seen == nil {
		s.setDeadline(event.DeadlineSilence, s.now.Add(probePause), false)
		return
	}
	if left := s.t.Spec.SilenceInTool - probe.Quiet; seen.Tool != "" && left > 0 {
		s.setDeadline(event.DeadlineSilence, s.now.Add(min(left, s.t.Spec.Silence)), false)
		return
	}
	text := "nothing was heard for " + probe.Quiet.Round(time.Second).String()
	if seen.Tool != "" {
		text += fmt.Sprintf(", and its tool %s has not ended", seen.Tool)
	}
	if seen.Evidence != "" {
		text += "; its screen is kept in " + seen.Evidence
	}
	s.move(ruleSilent, ReasonSilent, text)
	s.stage()
}

// stage takes the next stage of the reaction to silence. Each stage is taken once, until the agent reports again.
func (s *step) stage() {
	if s.t.State != event.Stalled {
		return
	}
	switch next := s.nextStage(); next {
	case event.StageNudge:
		s.emit(event.StallStaged{Stage: next})
		s.nudge()
		s.nextStageIn()
	case event.StageInterrupt:
		s.emit(event.StallStaged{Stage: next})
		s.act(event.InterruptArgs{})
		if !slices.ContainsFunc(s.t.Messages, func(m Message) bool { return m.State == event.MessageWaiting }) {
			s.nudge() // the turn that ends now is not judged; one that is on its way may end with it
		}
		s.nextStageIn()
	case event.StageRestart:
		s.emit(event.StallStaged{Stage: next})
		s.relaunch(event.WhyStall, s.t.Detail)
	default:
		s.park(ruleStallEnd, ReasonSilent, s.t.Detail)
	}
}

func (s *step) nudge() {
	s.emit(event.MessageQueued{Message: s.nextMessage(), Why: event.WhyNudge, Text: nudgeText})
}

// worksAgain reports whether a record proves that an agent which was silent works. Then the stages begin anew. A prompt is no
// proof, nor is what a turn reports that is being broken off: an agent that hangs in each turn takes each message.
func (t Task) worksAgain(r event.Record) bool {
	if t.State != event.Working && t.State != event.Stalled {
		return false
	}
	if t.Agent.Turn == TurnInterrupting || t.Agent.Turn == TurnInterrupted {
		return t.afterInterrupt(r)
	}
	plain := r.State == event.RecordWorking && !r.Prompted && r.Src != event.SrcStatusFile
	return produced(r) || plain && (t.Stage != event.StageRestart || r.Note != "") // a start reports that it works, too
}

// queuesNudge reports whether a record says only that a silent agent has the nudge in its conversation. Some agents report
// that although their turn hangs, so it is no proof that this agent works.
func (s *step) queuesNudge(r event.Record) bool {
	m, ok := s.t.Message(r.Message)
	return ok && m.Why == event.WhyNudge && r.Prompted && s.t.State == event.Stalled && s.t.Agent.Turn == TurnBusy
}

func (s *step) nextStageIn() {
	s.setDeadline(event.DeadlineStall, s.now.Add(s.t.Spec.Silence/stagesInSilence), false)
}

// nextStage returns the first stage that was not taken and can have an effect; "" if none is left. An agent that
// exits with its turn takes no messages, and an interrupt would end it.
func (s *step) nextStage() event.Stage {
	traits := s.t.Spec.Traits
	switch s.t.Stage {
	case "":
		if !s.messageWaits() && s.doorOpen(Message{Why: event.WhyNudge}) { // a waiting message has the same effect
			return event.StageNudge
		}
		fallthrough
	case event.StageNudge:
		if !traits.ExitIsTurn && !s.open(event.ActInterrupt) {
			return event.StageInterrupt
		}
		fallthrough
	case event.StageInterrupt:
		return event.StageRestart
	case event.StageRestart:
	}
	return ""
}
