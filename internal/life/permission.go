package life

import (
	"cmp"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/permit"
)

// verdict returns what the task's rules say about a request. A rule cannot allow what the log does not have completely.
func (s *step) verdict(req event.RequestOpened) permit.Verdict {
	use, ok := useOf(req)
	if !ok || len(s.t.Spec.Permission) == 0 {
		return permit.Verdict{}
	}
	v := permit.Judge(s.t.Spec.Permission, use)
	if v.Action == event.PermissionAllow && (req.Ask == nil || req.Ask.Cut || req.Ask.Hash == "") {
		return permit.Verdict{Action: event.PermissionAsk, Why: "a part of it is missing"}
	}
	return v
}

// useOf returns the use of a tool that a request is about, and whether a rule may decide it. A dialog, and a request that no
// hook holds, are only answered in the terminal.
func useOf(req event.RequestOpened) (event.ToolUse, bool) {
	switch {
	case req.Request == "" || req.Reason == event.WaitDialog:
		return event.ToolUse{}, false
	case req.Reason == event.WaitQuestion: // also by the agent's shell, without a tool
		use := event.ToolUse{Class: event.ToolQuestion}
		if req.Ask != nil && req.Ask.Use != nil {
			use.Names = req.Ask.Use.Names
		}
		return use, true
	case req.Ask == nil || req.Ask.Use == nil:
		return event.ToolUse{Class: event.ToolOther}, true
	}
	return *req.Ask.Use, true
}

// rule applies the task's rules to the request that was just opened, or sets the time in which a person may answer it.
func (s *step) rule(v permit.Verdict) {
	s.setDeadline(event.DeadlineWaiting, s.now.Add(cmp.Or(v.Rule.Wait, s.t.Spec.WaitLimit)), false)
	switch v.Action {
	case event.PermissionAllow:
		s.decide(v.Rule, event.Allow, "", event.DecidedByRule)
	case event.PermissionDeny:
		s.decide(v.Rule, event.Deny, denial("A rule denies this", v.Rule), event.DecidedByRule)
	case event.PermissionAsk:
	}
}

// lapse gives the default answer to a request that nobody answered in time, and reports whether its rule has one. It does so
// once: where the answer did not reach the agent, the task is parked with its request.
func (s *step) lapse() bool {
	req := *s.t.Request
	if s.t.Lapsed == req.Request {
		return false
	}
	v := s.verdict(req)
	if v.Action != event.PermissionAsk {
		return false
	}
	switch v.Rule.Default {
	case event.DefaultDeny:
		s.decide(v.Rule, event.Deny, denial("Nobody answered in time, so this is denied", v.Rule), event.DecidedByDeadline)
	case event.DefaultRecommended:
		answer, ok := recommended(req)
		if !ok {
			return false
		}
		s.decide(v.Rule, event.Reply, answer, event.DecidedByDeadline)
	default:
		return false
	}
	s.setDeadline(event.DeadlineWaiting, s.now.Add(time.Minute), false)
	return true
}

// decide records the decision of a rule and passes it to the hook that holds the request.
func (s *step) decide(r event.PermissionRule, d event.Decision, words, by string) {
	req := *s.t.Request
	s.emit(event.PermissionDecided{Request: req.Request, Rule: r.Origin, Tool: req.Tool, What: req.Text, Action: d, Text: words, By: by})
	args := event.AnswerArgs{Request: req.Request, Decision: d, Text: words}
	if req.Ask != nil {
		args.Hash = req.Ask.Hash
	}
	s.act(args)
}

// denial returns what the agent is told.
func denial(what string, r event.PermissionRule) string {
	if r.Reason != "" {
		what += ": " + r.Reason
	}
	return strings.TrimSuffix(what, ".") + ". Go on another way."
}

// recommended returns the first options of all questions, one on each line; false if a question offers none.
func recommended(req event.RequestOpened) (string, bool) {
	var lines []string
	for _, q := range req.Questions() {
		if len(q.Options) == 0 {
			return "", false
		}
		lines = append(lines, strings.Join(strings.Fields(q.Options[0].Label), " "))
	}
	return strings.Join(lines, "\n"), true
}
