package control

import (
	"context"
	"fmt"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/life"
	"muster/internal/status"
	"muster/internal/text"
	"muster/internal/words"
)

// The types of this file are what --json prints, and what every front end for programs answers. Their format is a contract.

// Shown is a task with everything that belongs to it, as `show --json` prints it. Its first fields are those of `ls`.
type Shown struct {
	Summary
	Request       *ShownRequest        `json:"request"` // more than in ls
	Prompt        string               `json:"prompt"`
	Kind          string               `json:"kind"`
	Model         string               `json:"model"`
	Publish       event.Publish        `json:"publish"`
	MergeStyle    event.MergeStyle     `json:"merge_style"` // "" except with publish merge
	Limits        ShownLimits          `json:"limits"`
	Checks        []event.Check        `json:"checks"` // if empty, its work is accepted unchecked
	Fence         *ShownFence          `json:"fence"`  // null: nothing restricts its agent and its checks
	Conversation  string               `json:"conversation"`
	Generations   []Attempt            `json:"generations"`
	CheckRounds   []Round              `json:"check_rounds"`
	Messages      []Message            `json:"messages"`
	Deadlines     []Deadline           `json:"deadlines"`
	Kept          []string             `json:"kept"`        // refs, oldest first
	Acting        []event.Action       `json:"acting"`      // what muster is doing for the task now
	BaseCommit    string               `json:"base_commit"` // the base's commit at the start of the task; "" before that
	BaseFrom      string               `json:"base_from"`   // for a base such as @t3: worktree, branch, or a kept ref
	PublishedWork *event.WorkPublished `json:"published_work"`
	// Configures are changed files that decide what runs later, such as rules of agents, hooks and checks; null if that is not known.
	Configures []Configuring `json:"configures"`
	Race       *ShownRace    `json:"race"`  // null: no other task has the same order
	Merge      string        `json:"merge"` // where its work stands in its merge queue; "" if it does not wait there
	Disk       DiskUse       `json:"disk"`  // what the task takes now, in bytes
	Next       []string      `json:"next"`  // commands that continue the task
}

// ShownFence is what a task may use of the machine, and the fence that its newest agent was started in.
type ShownFence struct {
	event.Fence
	Applied *event.FenceApplied `json:"applied"` // null before the first start
}

// ShownRace is the race of a task.
type ShownRace struct {
	Tasks  []event.TaskID `json:"tasks"`
	Winner event.TaskID   `json:"winner"` // "" while the race lasts
	Why    string         `json:"why"`
}

// raceOf returns the race of a task; nil if it is in none.
func raceOf(t life.Task) *ShownRace {
	if t.Spec.Race == nil {
		return nil
	}
	r := ShownRace{Tasks: t.Spec.Race.Tasks}
	if t.Race != nil {
		r.Winner, r.Why = t.Race.Winner, t.Race.Why
	}
	return &r
}

// ShownLimits are the limits of a task.
type ShownLimits struct {
	Attempts int     `json:"attempts"`
	Respawns int     `json:"respawns"`
	Rounds   int     `json:"rounds"`
	Timeout  float64 `json:"timeout_s"`
	Wait     float64 `json:"wait_s"`
}

// ShownRequest is the complete request of an agent.
type ShownRequest struct {
	Request
	Input     string           `json:"input"` // of the tool, as JSON
	Size      int              `json:"size"`  // of the whole input in bytes
	Hash      string           `json:"hash"`  // of tool, newline and whole input; an answer takes it
	Whole     bool             `json:"whole"` // if false, it can only be denied
	Questions []event.Question `json:"questions"`
}

// Shown returns everything that is known about the task, but for the room that it takes, which is counted by Disk.
func (d TaskDetail) Shown() Shown {
	t := d.Task
	s := Shown{
		Summary: d.Summary, Request: wholeRequest(d.Summary.Request, t.Request), Prompt: d.Prompt, Kind: t.Spec.Kind, Model: t.Spec.Model, Publish: t.Spec.Publish, MergeStyle: t.Spec.MergeStyle(),
		Limits: ShownLimits{
			Attempts: t.Spec.Attempts, Respawns: t.Spec.Respawns, Rounds: t.Spec.Rounds,
			Timeout: t.Spec.Timeout.Seconds(), Wait: t.Spec.WaitLimit.Seconds(),
		},
		Checks: OrEmpty(t.Spec.Checks), Conversation: t.Conversation, Generations: OrEmpty(d.Attempts),
		CheckRounds: OrEmpty(d.Rounds), Messages: OrEmpty(d.Messages), Deadlines: []Deadline{},
		Kept: OrEmpty(t.Kept), Acting: OrEmpty(t.Open), BaseCommit: t.Base, BaseFrom: t.BaseFrom, PublishedWork: t.Published, Race: raceOf(t),
		Configures: d.Configures, Merge: d.Merge, Next: NextLines(t),
	}
	if t.Spec.Fence != nil {
		s.Fence = &ShownFence{Fence: *t.Spec.Fence, Applied: t.Agent.Fenced}
	}
	for _, dl := range t.Deadlines {
		s.Deadlines = append(s.Deadlines, Deadline{Name: dl.Name, At: dl.At.UTC()})
	}
	return s
}

// OrEmpty returns an empty list for nil, so that programs get [] and never null.
func OrEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// wholeRequest returns the open request with all of its input; nil if there is none.
func wholeRequest(s *Request, r *event.RequestOpened) *ShownRequest {
	if s == nil || r == nil {
		return nil
	}
	out := &ShownRequest{Request: *s, Questions: []event.Question{}}
	if r.Reason == event.WaitQuestion {
		out.Questions = r.Questions()
	}
	if a := r.Ask; a != nil {
		out.Input, out.Size, out.Hash, out.Whole = a.Input, a.Size, a.Hash, !a.Cut
	}
	return out
}

// NextLines returns the command lines that continue a task.
func NextLines(t life.Task) []string {
	out := []string{}
	for _, s := range words.NextSteps(t) {
		out = append(out, s.String())
	}
	return out
}

// Told is one decision about a task in words: the facts, the rule, the actions and their results.
type Told struct {
	Seq    int64        `json:"seq"`
	Time   time.Time    `json:"time"`
	Facts  []ToldFact   `json:"facts"`
	Rule   string       `json:"rule"`    // "" if the state did not change
	Means  string       `json:"meaning"` // the rule in plain words
	From   event.State  `json:"from,omitempty"`
	To     event.State  `json:"to,omitempty"`
	Reason event.Reason `json:"reason,omitempty"`
	Detail string       `json:"detail,omitempty"`
	Acts   []ToldAct    `json:"acts"`
}

// ToldFact is something that was seen or requested.
type ToldFact struct {
	Seq  int64      `json:"seq"`
	Time time.Time  `json:"time"`
	Kind event.Kind `json:"kind"`
	Text string     `json:"text"`
}

// ToldAct is something that muster did, and its result.
type ToldAct struct {
	ID    event.ActionID   `json:"id"`
	Kind  event.ActionKind `json:"kind"`
	Text  string           `json:"text"`
	Begun time.Time        `json:"begun"`
	Ended *time.Time       `json:"ended"` // null: not yet
	Error string           `json:"error"`
}

// Told describes the decisions about a task.
func (h History) Told() []Told {
	all := []Told{}
	for _, d := range h.Decisions {
		i := Told{Seq: d.Seq, Time: d.Time, Facts: []ToldFact{}, Acts: []ToldAct{}}
		for _, e := range d.Facts {
			i.Facts = append(i.Facts, ToldFact{Seq: e.Seq, Time: e.Time, Kind: e.Kind(), Text: words.Event(e)})
		}
		if m := d.Move; m != nil {
			i.Rule, i.Means, i.From, i.To, i.Reason, i.Detail = m.Rule, life.RuleText(m.Rule), m.From, m.To, m.Reason, m.Detail
		}
		for _, a := range d.Acts {
			done := ToldAct{ID: a.Action.ID, Kind: a.Action.Kind(), Text: words.Action(a.Action), Begun: a.Begun, Error: a.Error}
			if !a.Ended.IsZero() {
				done.Ended = &a.Ended
			}
			i.Acts = append(i.Acts, done)
		}
		all = append(all, i)
	}
	return all
}

// ToldDiff is the answer to Diff with the text of git.
type ToldDiff struct {
	Changes
	Diff string `json:"diff"`
}

// ToldLog is a log as it was when it was read, cleaned.
type ToldLog struct {
	Task   event.TaskID `json:"task,omitempty"`
	Source string       `json:"source"`          // terminal, check, records, supervisor
	Text   string       `json:"text"`            // of a search: the lines that were found
	Found  *ToldFound   `json:"found,omitempty"` // of a search
}

// ToldFound says where lines that were searched for are in their log.
type ToldFound struct {
	Count   int   `json:"count"`   // of the lines that have the words
	Numbers []int `json:"numbers"` // of the lines in text; the first line of the log is 1
}

// Told returns what was found as --json prints it.
func (f Found) Told() ToldLog {
	l := ToldLog{Task: f.Task, Source: f.Source, Found: &ToldFound{Count: f.Count, Numbers: []int{}}}
	var b strings.Builder
	for _, line := range f.Lines {
		l.Found.Numbers = append(l.Found.Numbers, line.Number)
		b.WriteString(line.Text + "\n")
	}
	l.Text = b.String()
	return l
}

// Say reads a log for people: records are described, one in a line. As with Read, a terminal needs it cleaned.
func (l TaskLog) Say(ctx context.Context) (string, error) {
	said, err := l.Read(ctx)
	if err == nil && l.Source == LogRecords {
		said = recordLines(said)
	}
	return said, err
}

// recordLines describes status records, one per line.
func recordLines(records string) string {
	var b strings.Builder
	for line := range strings.Lines(records) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		r, err := status.Parse([]byte(line))
		if err != nil {
			fmt.Fprintf(&b, "(no record: %s)\n", text.Field(line, 200))
			continue
		}
		fmt.Fprintf(&b, "%s  %s\n", r.Time.Local().Format(time.DateTime), words.Record(r))
	}
	return b.String()
}

// Requested is a request that the supervisor was sent.
type Requested struct {
	Task      event.TaskID    `json:"task"`
	Requested string          `json:"requested"` // the verb
	Message   event.MessageID `json:"message,omitempty"`
	Seq       int64           `json:"seq"` // the effect is in the events after it
}

// Requested returns the outcome of a request. verb is that of muster.
func (o Outcome) Requested(verb string) Requested {
	return Requested{Task: o.Task, Requested: verb, Message: o.Message, Seq: o.Seq}
}

// Queued is a task that a dispatch has queued.
type Queued struct {
	Summary
	Notices []string `json:"notices,omitempty"` // what the task will not see or use
}
