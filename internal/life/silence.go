package life

import (
	"fmt"
	"time"

	"muster/internal/event"
)

// probePause is how long after a look that failed the next one follows: a failed look says nothing of the agent.
const probePause = time.Minute

// stagesInSilence is into how many stages the first silence is divided: with the built-in 10 minutes each stage of the
// reaction has 2 minutes to show an effect.
const stagesInSilence = 5

// nudge is what a silent agent is told. The interrupt that may have to follow takes a prompt that had no answer yet out
// of some agents' conversations, so that it says where the task stands (seen with Claude Code 2.1.197).
const nudge = "Nothing was heard of you for a while. If something hangs, end it and go on another way; else go on. " +
	"Should you see no task of yours above, it stands in the file that MUSTER_PROMPT_FILE names."

// listen sets the deadline by which a working agent should have been heard of. It is not moved by what the agent says:
// when it passes, whoever has listened tells how long it was quiet.
func (s *step) listen() {
	if _, set := s.t.Deadline(event.DeadlineSilence); !set && s.t.State == event.Working && Heeded(s.t) && !s.open(event.ActProbe) {
		s.setDeadline(event.DeadlineSilence, s.now.Add(s.t.Spec.Silence), false)
	}
}

// Heeded tells whether the silence of the task's agent means anything: it runs, and its kind promises records or it has
// written one of its own (design section 3).
func Heeded(t Task) bool {
	return t.Spec.Silence > 0 && t.Agent.Live && (t.Spec.Traits.FirstRecord > 0 || t.Agent.Seen)
}

// Activity is how long nothing was heard of one agent, and how long that may be.
type Activity struct{ Quiet, Limit time.Duration }

// ActivityOf returns the activity of a task's agent; false if its silence means nothing now.
func ActivityOf(t Task, quiet time.Duration) (Activity, bool) {
	ok := (t.State == event.Working || t.State == event.Stalled) && Heeded(t)
	return Activity{Quiet: quiet, Limit: t.Spec.Silence}, ok
}

// fewAgents is how many agents are needed before the silence of most of them says something about all.
const fewAgents = 4

// MostAreSilent reports whether more than half of the agents are silent. That says more about the machine or the network
// than about any of them.
func MostAreSilent(all []Activity) bool {
	silent := 0
	for _, a := range all {
		if a.Quiet >= a.Limit {
			silent++
		}
	}
	return len(all) >= fewAgents && 2*silent > len(all)
}

// quiet takes the deadline by which something should have been heard, and tells whether it was moved.
func (s *step) quiet(in Due) (moved bool) {
	switch {
	case s.t.State != event.Working || !Heeded(s.t) || s.open(event.ActProbe) || s.attended():
		return false // settle listens again where there is something to be heard
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

// attended tells whether an idle agent has something to come. One for whom nothing is going to be done would stay idle
// for ever: also one that a person interrupted and then forgot.
func (s *step) attended() bool {
	turn := s.t.Agent.Turn
	return turn == TurnEnded || turn == TurnUnexplained || turn.Over() && (len(s.t.Open) > 0 || s.messageWaits())
}

// probed takes what a look at a silent agent showed.
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

// stage takes the next stage of the reaction to silence; each is taken once, until the agent is heard of again.
func (s *step) stage() {
	if s.t.State != event.Stalled {
		return
	}
	switch next := s.nextStage(); next {
	case event.StageNudge:
		s.emit(event.StallStaged{Stage: next})
		s.emit(event.MessageQueued{Message: s.nextMessage(), Why: event.WhyNudge, Text: nudge})
		s.nextStageIn()
	case event.StageInterrupt:
		s.emit(event.StallStaged{Stage: next})
		s.act(event.InterruptArgs{})
		s.nextStageIn()
	case event.StageRestart:
		s.emit(event.StallStaged{Stage: next})
		s.relaunch(event.WhyStall, s.t.Detail)
	default:
		s.park(ruleStallEnd, ReasonSilent, s.t.Detail)
	}
}

func (s *step) nextStageIn() {
	s.setDeadline(event.DeadlineStall, s.now.Add(s.t.Spec.Silence/stagesInSilence), false)
}

// nextStage is the first stage that was not taken and can have an effect; "" if none is left. What ends with its turn
// cannot be told anything, and an interrupt would be its end.
func (s *step) nextStage() event.Stage {
	traits := s.t.Spec.Traits
	switch s.t.Stage {
	case "":
		if !s.messageWaits() && s.doorOpen(Message{Why: event.WhyNudge}) { // a message that waits says enough
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
