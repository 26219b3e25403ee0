package store

import (
	"cmp"
	"encoding/json"
	"time"

	"muster/internal/event"
	"muster/internal/life"
)

// Summary is a task in a list: one object of `muster ls --json`, whose format is a contract. A time that has not come
// is null, and a missing text is "".
type Summary struct {
	ID         event.TaskID     `json:"id"`
	Name       string           `json:"name"`
	State      event.State      `json:"state"`
	Reason     event.Reason     `json:"reason"` // why it is in this state, for scripts
	Detail     string           `json:"detail"` // the same for people
	Note       string           `json:"note"`   // the agent's last report about itself
	Summary    string           `json:"summary"`
	Agent      string           `json:"agent"`
	Account    event.AccountID  `json:"account"` // "" if it has a choice and has not chosen yet
	Until      *time.Time       `json:"until"`   // of a limited task: when its account's rest ends, as far as it is known
	Repo       string           `json:"repo"`
	Base       string           `json:"base"`        // as it was requested
	BaseCommit string           `json:"base_commit"` // the commit of Base when the worktree was made
	Branch     string           `json:"branch"`
	Worktree   string           `json:"worktree"`
	Session    string           `json:"session"` // the tmux session's name
	Attempt    int              `json:"attempt"`
	Gen        int              `json:"gen"`
	Rounds     int              `json:"rounds"` // those with a verdict
	Priority   int              `json:"priority"`
	After      []event.TaskID   `json:"after"`
	Slot       bool             `json:"slot"`
	Reviews    event.TaskID     `json:"reviews,omitempty"` // the task whose work it reviews
	Usage      SummaryUsage     `json:"usage"`
	Budget     *SummaryBudget   `json:"budget,omitempty"` // what the task may use; absent if it has no budget
	QueuedAt   *time.Time       `json:"queued_at"`
	StartedAt  *time.Time       `json:"started_at"`
	ChangedAt  *time.Time       `json:"changed_at"`
	FinishedAt *time.Time       `json:"finished_at"`
	Deadline   *SummaryDeadline `json:"deadline"` // the next one
	Request    *SummaryRequest  `json:"request"`  // an open permission request or question
	// MessagesOpen counts the messages that have not arrived yet.
	MessagesOpen int    `json:"messages_open"`
	Published    string `json:"published"` // the commit that was published
	PRURL        string `json:"pr_url"`
	Removed      bool   `json:"removed,omitempty"`
	// Left reports that a process of the task could not be ended, and that no agent of it runs. Muster tries again.
	Left bool `json:"left,omitempty"`
}

// SummaryUsage is the usage of all conversations of a task so far.
type SummaryUsage struct {
	InputTokens  int64   `json:"input_tokens"`
	OutputTokens int64   `json:"output_tokens"`
	CostUSD      float64 `json:"cost_usd"`
	Tokens       int64   `json:"tokens,omitempty"` // those that count for a budget
	Turns        int     `json:"turns,omitempty"`
	Model        string  `json:"model,omitempty"`
	Unpriced     string  `json:"unpriced,omitempty"` // models whose price is not known
}

// SummaryBudget is a task's budget, and what it has used since the budget was granted.
type SummaryBudget struct {
	CostUSD     float64 `json:"cost_usd,omitempty"`
	Tokens      int64   `json:"tokens,omitempty"`
	Turns       int     `json:"turns,omitempty"`
	WallSeconds int64   `json:"wall_seconds,omitempty"`
	Soft        float64 `json:"soft"`
	Used        struct {
		CostUSD float64 `json:"cost_usd"`
		Tokens  int64   `json:"tokens"`
		Turns   int     `json:"turns"`
	} `json:"used"`
	Spent bool `json:"spent"` // nothing more is sent to the agent until a person retries the task
}

// summarizeBudget returns nil for a task without a budget.
func summarizeBudget(t life.Task, u event.Usage) *SummaryBudget {
	b := t.Spec.Budget
	if b == (event.Budget{}) {
		return nil
	}
	s := &SummaryBudget{CostUSD: b.CostUSD, Tokens: b.Tokens, Turns: b.Turns, WallSeconds: int64(b.Wall.Seconds()), Soft: b.Soft}
	from := t.Spending.From
	s.Used.CostUSD, s.Used.Tokens, s.Used.Turns = u.CostUSD-from.CostUSD, u.Tokens()-from.Tokens(), u.Turns-from.Turns
	_, s.Spent = t.OverBudget()
	return s
}

// SummaryDeadline is the next deadline of a task.
type SummaryDeadline struct {
	Name event.DeadlineName `json:"name"`
	At   time.Time          `json:"at"`
}

// SummaryRequest is an open request of an agent.
type SummaryRequest struct {
	ID      string           `json:"id"`
	Reason  event.WaitReason `json:"reason"`
	Tool    string           `json:"tool"`
	Text    string           `json:"text"`
	Options []string         `json:"options"`
	// Until is when muster decides it without a person; absent if nothing does, or in a row of an older version.
	Until *time.Time `json:"until,omitempty"`
}

// Summarize returns the list entry of a task.
func Summarize(t life.Task) Summary {
	u := t.TotalUsage()
	s := Summary{
		ID: t.ID, Name: t.Spec.Name, State: t.State, Reason: t.Reason, Detail: t.Detail, Note: t.Note,
		Summary: t.Spec.Summary, Agent: t.Spec.Agent, Account: t.Account(), Until: timeOrNull(t.Until()), Repo: t.Spec.Repo, Base: t.Spec.Base, BaseCommit: t.Base,
		Branch: t.Branch, Worktree: t.Worktree, Session: t.Session,
		Attempt: t.Attempt, Gen: t.Gen, Rounds: t.Rounds.Count,
		Priority: t.Spec.Priority, After: append([]event.TaskID{}, t.Spec.After...), Slot: t.Slot,
		Usage:    summarizeUsage(t, u),
		Budget:   summarizeBudget(t, u),
		QueuedAt: timeOrNull(t.QueuedAt), StartedAt: timeOrNull(t.StartedAt),
		ChangedAt: timeOrNull(t.ChangedAt), FinishedAt: timeOrNull(t.FinishedAt), Removed: t.Removed,
	}
	if d, ok := nextDeadline(t); ok {
		s.Deadline = &SummaryDeadline{Name: d.Name, At: d.At.UTC()}
	}
	if of := t.Spec.Review; of != nil {
		s.Reviews = of.Task
	}
	if r := t.Inspection; r != nil && r.Reviewer != "" {
		s.Detail = r.Check + " by " + string(r.Reviewer)
	}
	if r := t.Request; r != nil {
		s.Request = &SummaryRequest{
			ID: r.Request, Reason: r.Reason, Tool: r.Tool, Text: r.Text, Options: append([]string{}, r.Options...),
		}
		for _, d := range t.Deadlines {
			if d.Name == event.DeadlineWaiting {
				s.Request.Until = timeOrNull(d.At)
			}
		}
	}
	for _, m := range t.Messages {
		if m.State == event.MessageWaiting || m.State == event.MessageSending {
			s.MessagesOpen++
		}
	}
	s.Left = t.Left() && !t.Agent.Live
	if p := t.Published; p != nil {
		s.Published, s.PRURL = p.Commit, p.URL
	}
	return s
}

func summarizeUsage(t life.Task, u event.Usage) SummaryUsage {
	return SummaryUsage{
		InputTokens: u.InputTokens, OutputTokens: u.OutputTokens, CostUSD: u.CostUSD, Tokens: u.Tokens(), Turns: u.Turns,
		Model: cmp.Or(u.Model, t.Spec.Model), Unpriced: u.Unpriced,
	}
}

// nextDeadline returns the earliest deadline of a task.
func nextDeadline(t life.Task) (next life.Deadline, ok bool) {
	for _, d := range t.Deadlines {
		if !ok || d.At.Before(next.At) {
			next, ok = d, true
		}
	}
	return next, ok
}

func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// encodeTask returns the two JSON columns of a task.
func encodeTask(t life.Task) (doc, summary string, err error) {
	d, err := json.Marshal(t)
	if err != nil {
		return "", "", err
	}
	s, err := json.Marshal(Summarize(t))
	return string(d), string(s), err
}
