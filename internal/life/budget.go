package life

import (
	"fmt"
	"time"

	"muster/internal/event"
)

// Spending is what a task has used of its budget.
type Spending struct {
	From event.Usage   `json:"from,omitzero"`  // what was used before the budget was granted the last time
	Wall time.Duration `json:"wall,omitempty"` // time used while DeadlineBudget was set, and is not
	Told bool          `json:"told,omitempty"` // the agent was told to come to an end
}

// defaultSoft is the share of a budget at which the agent is told, if the budget names none.
const defaultSoft = 0.8

// budgetWords is the message to an agent whose budget comes to an end.
const budgetWords = "Most of the budget for this task is used (%s). Come to an end now: finish what you have begun, leave the work in a " +
	"state that can be checked, and end your turn. Begin nothing new. The task is stopped when the budget is spent."

// OverBudget reports whether the task has spent its budget, and what it has used of which limit.
func (t Task) OverBudget() (text string, spent bool) {
	return t.budgetAt(1)
}

// budgetAt reports whether a share of one of the limits is used, and which.
func (t Task) budgetAt(share float64) (text string, reached bool) {
	b := t.Spec.Budget
	if b == (event.Budget{}) {
		return "", false
	}
	u, from := t.TotalUsage(), t.Spending.From
	usd, tokens, turns := u.CostUSD-from.CostUSD, u.Tokens()-from.Tokens(), u.Turns-from.Turns
	switch {
	case b.CostUSD > 0 && usd >= b.CostUSD*share:
		return fmt.Sprintf("$%.2f of $%.2f", usd, b.CostUSD), true
	case b.Tokens > 0 && float64(tokens) >= float64(b.Tokens)*share:
		return fmt.Sprintf("%d of %d tokens", tokens, b.Tokens), true
	case b.Turns > 0 && float64(turns) >= float64(b.Turns)*share:
		return fmt.Sprintf("%d of %d turns", turns, b.Turns), true
	case b.Wall > 0 && share >= 1 && t.Spending.Wall >= b.Wall:
		return fmt.Sprintf("%s of working time", b.Wall), true
	case b.Wall > 0 && share < 1 && t.wallIsLate():
		return fmt.Sprintf("%.0f%% of %s of working time", share*100, b.Wall), true
	}
	return "", false
}

// wallIsLate reports whether the soft share of the working time is over: its deadline has passed, and that of the whole
// time has not.
func (t Task) wallIsLate() bool {
	_, hard := t.Deadline(event.DeadlineBudget)
	_, soft := t.Deadline(event.DeadlineBudgetSoft)
	return hard && !soft
}

// worked returns the working time that is used when the clock of the budget is taken away.
func worked(t Task, now time.Time) time.Duration {
	d, set := t.Deadline(event.DeadlineBudget)
	if !set {
		return t.Spending.Wall
	}
	left := d.Left
	if left == 0 {
		left = d.At.Sub(now)
	}
	return max(t.Spending.Wall, min(t.Spec.Budget.Wall, t.Spec.Budget.Wall-left))
}

// soft returns the share at which the agent is told.
func soft(b event.Budget) float64 {
	if b.Soft > 0 {
		return b.Soft
	}
	return defaultSoft
}

// startWall starts the clock of the working time, with what is left of it.
func (s *step) startWall() {
	b := s.t.Spec.Budget
	if b.Wall == 0 {
		return
	}
	used := s.t.Spending.Wall
	if early := time.Duration(float64(b.Wall)*min(1, soft(b))) - used; early > 0 && early < b.Wall-used {
		s.setDeadline(event.DeadlineBudgetSoft, s.now.Add(early), false)
	}
	s.setDeadline(event.DeadlineBudget, s.now.Add(b.Wall-used), false)
}

// mindBudget parks a task that has spent its budget, and tells an agent that is about to. Work that is judged or published
// costs nothing more, so it goes on until a prompt would be sent: so does a turn that has ended and is judged next.
func (s *step) mindBudget() {
	ended := s.t.State == event.Working && s.t.Agent.toJudge()
	if ended && !s.messageWaits() || s.parkSpent() {
		return
	}
	share := soft(s.t.Spec.Budget)
	if s.t.Spending.Told || share >= 1 || s.t.State != event.Working {
		return
	}
	text, late := s.t.budgetAt(share)
	// Only an agent in its turn, or one that is started with a prompt anyway, is told: telling an idle one would be a turn more.
	m, live := Message{Why: event.WhyBudget}, s.t.Agent.Live
	inTurn := live && !s.t.Agent.Turn.Over() && s.doorOpen(m)
	atStart := s.messageWaits() && (!live || s.t.Door(m) == event.DoorRespawn)
	if late && (inTurn || atStart) {
		s.emit(event.MessageQueued{Message: s.nextMessage(), Why: event.WhyBudget, Text: fmt.Sprintf(budgetWords, text)})
	}
}

// parkSpent parks a task that has spent its budget. It reports whether it did.
func (s *step) parkSpent() bool {
	text, spent := s.t.OverBudget()
	if !spent || !s.in(table[ruleBudgetSpent].From...) {
		return false
	}
	if s.t.Request != nil {
		s.emit(event.RequestClosed{Request: s.t.Request.Request, How: "gone"})
	}
	s.park(ruleBudgetSpent, ReasonBudget, "it has used "+text)
	return true
}
