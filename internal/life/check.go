package life

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/text"
)

// settlePause is how long a finished turn waits for the report how it ended. It is longer than any observed hook.
const settlePause = 5 * time.Second

// maxVoids is how often in a row a verdict may be void, or checks may fail to run, before a person is asked. It is also the number of
// rounds beyond those of the task that green work may take which was not published: its branch moved, or its agent went on.
const maxVoids = 3

// maxStarts is how often a job is started before it counts as broken, because it was killed each time.
const maxStarts = 3

// slotAllowance is how long a job may wait for its check slot. It is longer than a night of long checks.
const slotAllowance = 24 * time.Hour

// defaultStep is the time limit of a step without one. The runner has the same.
const defaultStep = 30 * time.Minute

// JobLimit returns how long the runner of a job may take. The runner itself keeps the limits of its steps, so one that
// takes longer was stopped or hangs.
func JobLimit(steps []event.Check) time.Duration {
	limit := slotAllowance
	for _, c := range steps {
		step := c.Timeout
		if step <= 0 {
			step = defaultStep
		}
		limit += time.Duration(1+c.Flaky) * (step + settleStep)
	}
	return limit
}

// settleStep is how long the processes that a step left behind may take to end.
const settleStep = time.Minute

// StartsUsed reports whether a job that was started this often and never finished is not started again. starts is the
// count of the job's directory, which other processes can write; the runs of the action in the log count as well.
func StartsUsed(t Task, name string, action event.ActionID, starts int) bool {
	return max(starts, NextRun(t, name, action)-1) >= maxStarts
}

// NextRun returns the number of the next run of a job within an action, from 1 on.
func NextRun(t Task, name string, action event.ActionID) int {
	if j, ok := t.Job(name); ok && j.Action == action {
		return j.Run + 1
	}
	return 1
}

// feedbackLimit bounds the text of one feedback, in bytes: enough for the useful part of several failures, and small
// compared with an agent's context.
const feedbackLimit = 12 << 10

// judge starts a round of checks if the agent has ended a turn and no message waits for it. A turn that a person
// interrupted is not judged: unfinished work that happens to pass must not be published before the person has
// decided.
func (s *step) judge() {
	if s.t.State != event.Working || len(s.t.Open) > 0 || s.messageWaits() {
		return
	}
	if !s.t.Agent.toJudge() {
		return
	}
	if s.t.Agent.Turn == TurnUnexplained { // a report how it ended may be slower than the agent's own file, by up to a second
		if _, set := s.t.Deadline(event.DeadlineSettle); !set {
			s.setDeadline(event.DeadlineSettle, s.now.Add(settlePause), false)
		}
		return
	}
	s.clear(event.DeadlineSettle)
	s.move(ruleTurnEnded, "", "")
	switch {
	case s.t.Spec.Review != nil:
		s.conclude()
	case s.t.Rounds.Spent >= max(1, s.t.Spec.Rounds)+maxVoids: // green ones, since a red one counts against fewer
		s.park(ruleRoundsUsed, ReasonRounds, "the agent goes on whenever its work has passed, and "+usedUp(s.t.Rounds.Spent, "round"))
	default:
		s.check()
	}
}

func (s *step) check() {
	args := event.CheckArgs{Round: s.t.Rounds.Count + 1}
	if last := s.t.Rounds.Last; last != nil && reusable(*last) {
		args.Known = last.Tree
	}
	s.act(args)
}

// reusable reports whether a verdict also holds for a later round on the same tree. A red one does not: its cause may
// be outside the tree, such as a service, the network, the time, or a flaky test.
func reusable(r event.RoundFinished) bool { return !r.Moved && allGreen(r.Results) }

// Reuse returns the verdict of the last round if a round on this tree and in this environment can use it; false if the checks
// must run. A verdict of a version that did not record its environment is never used again.
func Reuse(t Task, args event.CheckArgs, tree string, changed bool, environment string) (event.RoundFinished, bool) {
	last := t.Rounds.Last
	if last == nil || !reusable(*last) || args.Known != tree || last.Tree != tree || last.Changed != changed {
		return event.RoundFinished{}, false
	}
	if environment == "" || last.Environment != environment {
		return event.RoundFinished{}, false
	}
	return *last, true
}

// checked handles the outcome of a round.
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
	case s.t.Agent.Turn == TurnInterrupted:
		round.Void = "a person interrupted the agent, which had gone on working"
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
	case !round.Changed && s.t.Spec.Publish != event.PublishNone && s.t.Spec.Done.NoChange != event.ReactionAllow:
		s.emit(*round)
		s.unchanged(last)
	default:
		s.emit(*round)
		s.judged(*round, last)
	}
}

// judged acts on a verdict. What the work has besides its verdicts counts once its checks are green, or goes back to the agent
// together with their output.
func (s *step) judged(round event.RoundFinished, last *event.RoundFinished) {
	back, park := refused(s.t, round.Findings)
	switch {
	case !allGreen(round.Results), len(back) > 0:
		s.red(round, last)
	case park != nil:
		s.park(ruleWorkRefused, event.Reason(park.Kind), park.Text)
	case s.review(round, last):
	case s.race():
	default:
		s.move(ruleRoundGreen, "", verdictText(round))
		s.act(event.PublishArgs{Tree: round.Tree})
	}
}

// refused returns the findings that go back to the agent, and the first one for which a person is asked. What a person has
// allowed is neither.
func refused(t Task, all []event.Finding) (back []event.Finding, park *event.Finding) {
	for i, f := range all {
		switch {
		case slices.Contains(t.Allowed, f.Kind):
		case t.Spec.Done.Reaction(f.Kind) == event.ReactionBack:
			back = append(back, f)
		case t.Spec.Done.Reaction(f.Kind) == event.ReactionPark && park == nil:
			park = &all[i]
		}
	}
	return back, park
}

// checksFailed handles checks that could not run.
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

// red sends the failures of a round to the agent, unless another round would be useless.
func (s *step) red(round event.RoundFinished, last *event.RoundFinished) {
	said, same, used := verdictText(round), ReasonNoProgress, ReasonRounds
	sameRule, usedRule := ruleNoProgress, ruleRoundsUsed
	// If nothing but a finding is left, a person decides about it, and the reason says about which one.
	if back, _ := refused(s.t, round.Findings); len(back) > 0 && allGreen(round.Results) && !round.Moved {
		said, same, used = back[0].Text, event.Reason(back[0].Kind), event.Reason(back[0].Kind)
		sameRule, usedRule = ruleWorkRefused, ruleWorkRefused
	}
	switch {
	case last != nil && last.Tree == round.Tree && fingerprint(*last) == fingerprint(round):
		s.park(sameRule, same, said+", as in the round before, and nothing was changed since")
	case s.t.Rounds.Spent >= s.t.Spec.Rounds:
		s.park(usedRule, used, said+", and "+usedUp(s.t.Rounds.Spent, "round"))
	default:
		s.feedback(redText(s.t, round), said)
	}
}

// unchanged handles a turn that ended without a change: the agent is told once, then a person is asked.
func (s *step) unchanged(last *event.RoundFinished) {
	if last != nil && !last.Changed || s.t.Spec.Done.NoChange == event.ReactionPark {
		s.park(ruleNoChange, ReasonNoChange, "the agent ended its turn, and nothing was changed since the base")
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

// usedUp describes that an allowance is used up.
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

// fingerprint returns a text that is equal for two rounds with the same failures. The tree decides what findings it has.
func fingerprint(r event.RoundFinished) string {
	var b strings.Builder
	for _, c := range r.Results {
		if !c.Green() {
			fmt.Fprintf(&b, "%s\x00%d\x00%d\x00%v\x00%s\x00", c.Name, c.Exit, c.Signal, c.TimedOut, c.Excerpt)
		}
	}
	return b.String()
}

// verdictText describes a round in a few words.
func verdictText(r event.RoundFinished) string {
	switch {
	case len(r.Results) == 0:
		return "no checks"
	case r.Moved:
		return "the worktree changed while its checks ran"
	}
	var red []string
	skipped := 0
	for _, c := range r.Results {
		if !c.Green() {
			red = append(red, c.Name)
		}
		if c.Skipped {
			skipped++
		}
	}
	switch {
	case len(red) > 0:
		return strings.Join(red, ", ") + " failed"
	case skipped > 0:
		return fmt.Sprintf("%d of %d checks passed, and the others were skipped", len(r.Results)-skipped, len(r.Results))
	case len(r.Results) == 1:
		return r.Results[0].Name + " passed"
	}
	return fmt.Sprintf("all %d checks passed", len(r.Results))
}

// feedbackText returns the message to the agent about a red round: each failing command, how it ended, and the useful
// part of its output.
func feedbackText(r event.RoundFinished, fenced bool) string {
	return "Your work does not pass its checks yet.\n" + failures(r.Results, fenced) +
		"\nFix what is wrong in the code, not the check. `muster check` runs the checks now. Then end your turn."
}

// failures describes to the agent each failed check, within feedbackLimit.
func failures(results []event.CheckResult, fenced bool) string {
	var b strings.Builder
	budget := feedbackLimit
	for _, c := range results {
		if c.Green() {
			continue
		}
		excerpt := c.Excerpt
		if len(excerpt) > budget {
			excerpt = strings.ToValidUTF8(excerpt[:budget], "") + "\n[…]"
		}
		budget = max(500, budget-len(excerpt))
		if c.Review != "" {
			fmt.Fprintf(&b, "\n%s: a reviewer (%s) has read your change and does not accept it:\n%s\n", c.Name, c.Run, excerpt)
			continue
		}
		fmt.Fprintf(&b, "\n%s failed: `%s` %s\n%s\n", c.Name, c.Run, HowEnded(c), excerpt)
		switch {
		case c.Log == "":
		case fenced: // it cannot read the log, which lies where no check can write
			fmt.Fprintf(&b, "(`muster check %s` prints all of it)\n", c.Name)
		default:
			fmt.Fprintf(&b, "(all of it: %s)\n", c.Log)
		}
	}
	return b.String()
}

// redText returns the message to the agent about a round that requires more work; "" if it requires none.
func redText(t Task, r event.RoundFinished) string {
	back, _ := refused(t, r.Findings)
	switch {
	case r.Moved:
		return movedText(r)
	case !allGreen(r.Results) && len(back) > 0:
		return feedbackText(r, t.Spec.Fence != nil) + "\n\nBesides the checks: " + findingsText(back)
	case !allGreen(r.Results):
		return feedbackText(r, t.Spec.Fence != nil)
	case len(back) > 0:
		return "Your work passes its checks, but it is not taken as it is: " + findingsText(back) + "\nThen end your turn."
	}
	return ""
}

// findingsText describes findings to the agent, with what it can do.
func findingsText(found []event.Finding) string {
	var b strings.Builder
	for _, f := range found {
		fmt.Fprintf(&b, "\n- %s. %s", f.Text, remedies[f.Kind])
	}
	return b.String()
}

// remedies says for each finding what the agent can do.
var remedies = map[event.FindingKind]string{
	event.OutsideScope: "Bring these files back to what they were when you began.",
	event.DeletedTests: "Bring them back. If the task needs their deletion, say why with `muster note`; a person decides then.",
	event.ProseOnly:    "If the task needs a change of code, make it now. If it needs none, say so with `muster note`; a person decides then.",
	event.CheckConfig:  "Your work is judged by the checks as they were when the task began. Bring these files back to what they were.",
	event.TooLarge:     "Take out what the task does not need.",
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

// HowEnded describes the end of a step's command: "exited with status 2", "did not end in 20m0s".
func HowEnded(c event.CheckResult) string {
	if c.TimedOut {
		return fmt.Sprintf("did not end in %s", c.Duration.Round(1e9))
	}
	return text.Exited(c.Exit, c.Signal)
}
