package life

import (
	"fmt"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/text"
)

// settlePause is how long a turn that is over waits for the word how it ended: longer than any hook was seen to take.
const settlePause = 5 * time.Second

// maxVoids is how often in a row a verdict may be void, or the checks fail to run, before a person is asked.
const maxVoids = 3

// maxStarts is how often one job is begun before it counts as broken: it was killed each time.
const maxStarts = 3

// StartsUsed reports whether a job that was begun so often and never finished is not begun again.
func StartsUsed(starts int) bool { return starts >= maxStarts }

// feedbackLimit bounds the text of one feedback, in bytes: enough for the useful part of several failures, and
// little beside an agent's context.
const feedbackLimit = 12 << 10

// judge begins a round of checks when the agent has ended a turn and nothing waits to be told to it. A turn that a
// person broke off is not judged: half-done work that happens to pass must not be published before they have spoken.
func (s *step) judge() {
	if s.t.State != event.Working || len(s.t.Open) > 0 || s.messageWaits() {
		return
	}
	switch s.t.Agent.Turn {
	case TurnEnded:
	case TurnUnexplained: // the hook that says how it ended is slower than the agent's own file, on a busy machine by a second
		if _, set := s.t.Deadline(event.DeadlineSettle); !set {
			s.setDeadline(event.DeadlineSettle, s.now.Add(settlePause), false)
		}
		return
	default:
		return
	}
	s.clear(event.DeadlineSettle)
	s.move(ruleTurnEnded, "", "")
	s.check()
}

func (s *step) check() {
	args := event.CheckArgs{Round: s.t.Rounds.Count + 1}
	if last := s.t.Rounds.Last; last != nil && reusable(*last) {
		args.Known = last.Tree
	}
	s.act(args)
}

// reusable reports whether the verdict of a round may stand for the same tree again. A red one may not: what made it red
// may lie outside the tree, such as a service, the network, the time, or a flaky test.
func reusable(r event.RoundFinished) bool { return !r.Moved && allGreen(r.Results) }

// Reuse returns the verdict that a round on a tree need not compute again; false if it has to.
func Reuse(t Task, args event.CheckArgs, tree string, changed bool) ([]event.CheckResult, bool) {
	last := t.Rounds.Last
	if last == nil || !reusable(*last) || args.Known != tree || last.Tree != tree || last.Changed != changed {
		return nil, false
	}
	return last.Results, true
}

// checked takes the outcome of a round.
func (s *step) checked(round *event.RoundFinished, f *Failure) {
	if s.t.State != event.Checking || s.t.Shelved {
		return
	}
	if f != nil || round == nil {
		s.checksFailed(f)
		return
	}
	last := s.t.Rounds.Last
	switch {
	case s.t.Agent.Live && !s.t.Agent.Turn.Over():
		round.Void = "the agent went on working"
		s.emit(*round)
		s.move(ruleRoundVoid, "", round.Void)
	case round.Moved && s.t.Rounds.Voids+1 < maxVoids:
		round.Void = "the work changed while it was judged"
		s.emit(*round)
		s.check()
	case round.Moved:
		s.emit(*round)
		s.red(*round, last)
	case s.messageWaits():
		round.Void = "a message waits for the agent"
		s.emit(*round)
		s.move(ruleRoundVoid, "", round.Void)
	case !round.Changed && s.t.Spec.Publish != event.PublishNone:
		s.emit(*round)
		s.unchanged(last)
	case allGreen(round.Results):
		s.emit(*round)
		s.move(ruleRoundGreen, "", verdictText(*round))
		s.act(event.PublishArgs{Tree: round.Tree})
	default:
		s.emit(*round)
		s.red(*round, last)
	}
}

// checksFailed reacts to checks that could not be run at all.
func (s *step) checksFailed(f *Failure) {
	text := "the round left no result"
	if f != nil {
		text = f.Text
	}
	if f != nil && f.Kind == FailRefused || s.t.Rounds.Voids+1 >= maxVoids {
		s.park(ruleChecksBroken, ReasonChecksBroken, text)
		return
	}
	s.emit(event.RoundFinished{Round: s.t.Rounds.Count + 1, Void: text})
	s.check()
}

// red gives a failed round back to the agent, unless that would lead nowhere.
func (s *step) red(round event.RoundFinished, last *event.RoundFinished) {
	switch {
	case last != nil && last.Tree == round.Tree && fingerprint(*last) == fingerprint(round):
		s.park(ruleNoProgress, ReasonNoProgress, verdictText(round)+", as in the round before, and nothing was changed since")
	case s.t.Rounds.Spent >= s.t.Spec.Rounds:
		s.park(ruleRoundsUsed, ReasonRounds, verdictText(round)+", and "+usedUp(s.t.Rounds.Spent, "round"))
	default:
		s.feedback(redText(round), verdictText(round))
	}
}

// unchanged reacts to a turn that ended without a change: it is said once, then a person is asked.
func (s *step) unchanged(last *event.RoundFinished) {
	if last != nil && !last.Changed {
		s.park(ruleNoChange, ReasonNoChange, "the agent ended its turn again, and nothing was changed since the base")
		return
	}
	if s.t.Rounds.Spent >= s.t.Spec.Rounds {
		s.park(ruleRoundsUsed, ReasonRounds, "nothing was changed, and all rounds are used")
		return
	}
	s.feedback("You ended your turn, but nothing in the worktree has changed since you began. "+
		"If the task needs a change, make it now. If it needs none, say why with `muster note`, then end your turn.", "nothing was changed")
}

func (s *step) feedback(text, detail string) {
	s.emit(event.MessageQueued{Message: s.nextMessage(), Text: text, Why: event.WhyFeedback})
	s.move(ruleRoundRed, "", detail)
}

// usedUp says that the last one of an allowance is spent.
func usedUp(n int, what string) string {
	if n == 1 {
		return "its only " + what + " is used"
	}
	return fmt.Sprintf("all %d %ss are used", n, what)
}

func (s *step) messageWaits() bool {
	_, waits := s.firstOpen()
	return waits
}

func allGreen(results []event.CheckResult) bool {
	for _, r := range results {
		if !r.Green() {
			return false
		}
	}
	return true
}

// fingerprint is what two rounds have in common if they failed in the same way.
func fingerprint(r event.RoundFinished) string {
	var b strings.Builder
	for _, c := range r.Results {
		if !c.Green() {
			fmt.Fprintf(&b, "%s\x00%d\x00%d\x00%v\x00%s\x00", c.Name, c.Exit, c.Signal, c.TimedOut, c.Excerpt)
		}
	}
	return b.String()
}

// verdictText is a round in a few words.
func verdictText(r event.RoundFinished) string {
	switch {
	case len(r.Results) == 0:
		return "no checks"
	case r.Moved:
		return "the worktree changed while its checks ran"
	}
	var red []string
	for _, c := range r.Results {
		if !c.Green() {
			red = append(red, c.Name)
		}
	}
	switch {
	case len(red) > 0:
		return strings.Join(red, ", ") + " failed"
	case len(r.Results) == 1:
		return r.Results[0].Name + " passed"
	}
	return fmt.Sprintf("all %d checks passed", len(r.Results))
}

// feedbackText is what the agent is told about a red round: each failing command, how it ended, and the
// useful part of what it said.
func feedbackText(r event.RoundFinished) string {
	var b strings.Builder
	b.WriteString("Your work does not pass its checks yet.\n")
	budget := feedbackLimit
	for _, c := range r.Results {
		if c.Green() {
			continue
		}
		excerpt := c.Excerpt
		if len(excerpt) > budget {
			excerpt = strings.ToValidUTF8(excerpt[:budget], "") + "\n[…]"
		}
		budget = max(500, budget-len(excerpt))
		fmt.Fprintf(&b, "\n%s failed: `%s` %s\n%s\n", c.Name, c.Run, endText(c), excerpt)
		if c.Log != "" {
			fmt.Fprintf(&b, "(all of it: %s)\n", c.Log)
		}
	}
	b.WriteString("\nFix what is wrong in the code, not the check. `muster check` runs the checks now. Then end your turn.")
	return b.String()
}

// redText is what the agent is told about a round that it has to do something about; "" if there is nothing.
func redText(r event.RoundFinished) string {
	switch {
	case r.Moved:
		return movedText(r)
	case !allGreen(r.Results):
		return feedbackText(r)
	}
	return ""
}

func movedText(r event.RoundFinished) string {
	return "The files in your worktree changed while the checks ran, again and again, so they have no verdict. " +
		"Either a check writes into the worktree (let it write elsewhere, or ignore what it writes), or something you started still runs (end it).\n" +
		"The checks were: " + names(r) + ". Then end your turn."
}

func names(r event.RoundFinished) string {
	var out []string
	for _, c := range r.Results {
		out = append(out, c.Name)
	}
	return strings.Join(out, ", ")
}

func endText(c event.CheckResult) string {
	if c.TimedOut {
		return fmt.Sprintf("did not end in %s", c.Duration.Round(1e9))
	}
	return text.Exited(c.Exit, c.Signal)
}
