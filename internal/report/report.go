package report

import (
	"time"

	"muster/internal/event"
	"muster/internal/words"
)

// Report is what happened in a fleet between two times. Its JSON is what `muster report --json` prints.
type Report struct {
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	// Trouble says what is wrong with the fleet itself at the end of that time; it is empty if nothing is.
	Trouble []string `json:"trouble"`
	Totals  Totals   `json:"totals"`
	// Tasks are those that ended in that time and those that have begun and not ended, in the order in which a person looks at
	// them. Tasks that wait for their turn are only counted.
	Tasks []Task `json:"tasks"`
	// Acts are what muster did by itself, oldest first.
	Acts  []Act `json:"acts"`
	Slots Slots `json:"slots"`
	// Budgets are those that many tasks share, as they are at the end of that time.
	Budgets []Budget `json:"budgets,omitempty"`
	// Merges are the merge queues that wait for something but their turn, at the end of that time.
	Merges []Merge `json:"merges,omitempty"`
}

// Merge is a merge queue that waits.
type Merge struct {
	Branch string          `json:"branch"` // the base
	GitDir string          `json:"git_dir"`
	Waits  event.MergeWait `json:"waits"`
	Why    string          `json:"why"`
	Since  time.Time       `json:"since"`
	Tasks  []event.TaskID  `json:"tasks"` // whose work waits in it, in order
}

// Budget is what was used of a budget of an account, or of the night.
type Budget struct {
	Name    event.AccountID  `json:"name"`
	CostUSD float64          `json:"cost_usd"`
	Tokens  int64            `json:"tokens"`
	Level   event.SpendLevel `json:"level"`
	Text    string           `json:"text"` // what of it is used, and until when, for people
}

// Totals are the numbers of a report.
type Totals struct {
	Groups map[words.Group]int `json:"groups"` // tasks
	// Spared counts the times that a person would have had to step in, and muster did. Acts says what they were.
	Spared int `json:"spared"`
	// Persons counts what persons asked of tasks: messages, answers, interrupts, stops and retries.
	Persons int `json:"persons"`
	// Fronts counts the same by where persons asked: verb, top, page, api, ntfy. Events of older versions do not say it.
	Fronts map[event.Front]int `json:"fronts,omitempty"`
	Usage  Usage               `json:"usage"` // of the listed tasks, since each began
}

// Usage is what tasks used of a model.
type Usage struct {
	InputTokens  int64   `json:"input_tokens"`
	OutputTokens int64   `json:"output_tokens"`
	CostUSD      float64 `json:"cost_usd"`
}

// Task is a task in a report.
type Task struct {
	ID         event.TaskID `json:"id"`
	Name       string       `json:"name"`
	Group      words.Group  `json:"group"`
	State      event.State  `json:"state"`
	Reason     event.Reason `json:"reason"`
	Detail     string       `json:"detail"`
	Repo       string       `json:"repo"`
	Agent      string       `json:"agent"`
	Branch     string       `json:"branch"`
	Commit     string       `json:"commit"` // that was published
	URL        string       `json:"url"`    // of a pull request
	Checks     string       `json:"checks"` // the newest verdict; "" if nothing was judged
	Unchecked  bool         `json:"unchecked"`
	Fence      string       `json:"fence"` // in which the verdict was reached; "" if that is not known
	Size       *Size        `json:"size"`  // of the work that was judged or published; null if that is not known
	Configures []string     `json:"configures"`
	Rounds     int          `json:"rounds"`
	Attempt    int          `json:"attempt"`
	Gen        int          `json:"gen"`
	Usage      Usage        `json:"usage"`
	StartedAt  *time.Time   `json:"started_at"`
	ChangedAt  *time.Time   `json:"changed_at"`
	FinishedAt *time.Time   `json:"finished_at"`
	// Next are the commands by which a person continues the task, the most useful first. Words in capitals are for the person
	// to replace.
	Next []string `json:"next"`
	// When says what a person has to do before the command of the same place in Next; "" is nothing.
	When []string `json:"next_when"`
}

// Size is the size of a task's changes.
type Size struct {
	Files   int `json:"files"`
	Added   int `json:"added"`   // lines
	Removed int `json:"removed"` // lines
}

// ActKind is a kind of act that a person was spared.
type ActKind string

// The kinds of acts.
const (
	ActFeedback   ActKind = "feedback"   // what checks said was told to the agent
	ActRestart    ActKind = "restart"    // an agent was started again
	ActNudge      ActKind = "nudge"      // a silent agent was told to go on, or interrupted
	ActPermission ActKind = "permission" // a rule, or a deadline, decided a request
	ActLimit      ActKind = "limit"      // a usage limit was waited for
	ActShortage   ActKind = "shortage"   // an act waited until the machine had what it needs
	ActRescue     ActKind = "rescue"     // work was kept that would have been lost
	ActFleet      ActKind = "fleet"      // a supervisor took over running agents, or an upgrade was rolled back
)

// Act is something that muster did by itself.
type Act struct {
	Time time.Time    `json:"time"`
	Task event.TaskID `json:"task"` // "" for the fleet
	Kind ActKind      `json:"kind"`
	Text string       `json:"text"`
}

// Slots says how the fleet's slots were used.
type Slots struct {
	Total int     `json:"total"`      // slots of the fleet now
	Busy  float64 `json:"busy_hours"` // slot-hours
	Idle  []Idle  `json:"idle"`       // the longest first
}

// Idle is how long slots were free, and why.
type Idle struct {
	Why   string  `json:"why"`
	Hours float64 `json:"hours"` // slot-hours
}
