package event

// The actions of a merge queue.
const (
	ActBuild ActionKind = "build"
	ActJudge ActionKind = "judge"
	ActLand  ActionKind = "land"
)

// MergeEntry is the work of a task in a merge queue.
type MergeEntry struct {
	Task   TaskID `json:"task"`
	Commit string `json:"commit"` // the newest of its branch
	Tree   string `json:"tree"`   // of that commit, with its green verdict
	// Lane identifies the checks, the setup and the fence of the task. Only work of one lane is judged together.
	Lane string `json:"lane"`
	// Environment is that of the green verdict, as in round.finished; "" if there is none.
	Environment string `json:"environment,omitempty"`
}

// BuildArgs merges work onto a base, without changing any branch or checkout.
type BuildArgs struct {
	Branch  string       `json:"branch,omitempty"`  // the base
	Entries []MergeEntry `json:"entries,omitempty"` // in the order of the queue; none to look at the base alone
	Lane    string       `json:"lane,omitempty"`    // of all of them
	Lead    TaskID       `json:"lead,omitempty"`    // the task in whose repository git works
	Fresh   bool         `json:"fresh,omitempty"`   // nothing is known about these entries together
}

// JudgeArgs runs the checks on what was built, in a worktree of the queue's own.
type JudgeArgs struct {
	Lead   TaskID `json:"lead,omitempty"` // the task whose checks are run
	Commit string `json:"commit,omitempty"`
	Tree   string `json:"tree,omitempty"`
	Run    int    `json:"run,omitempty"` // grows with each action
}

// LandArgs makes the base branch lead to what was judged, if it still leads to where it was built on.
type LandArgs struct {
	Branch string `json:"branch,omitempty"`
	Lead   TaskID `json:"lead,omitempty"`
	Old    string `json:"old,omitempty"`
	New    string `json:"new,omitempty"`
	Tree   string `json:"tree,omitempty"` // with the green verdict
}

// Action implements Args.
func (BuildArgs) Action() ActionKind { return ActBuild }

// Action implements Args.
func (JudgeArgs) Action() ActionKind { return ActJudge }

// Action implements Args.
func (LandArgs) Action() ActionKind { return ActLand }

// MergeJoined puts the work of a task at the end of its merge queue.
type MergeJoined struct {
	Entry  MergeEntry `json:"entry"`
	Branch string     `json:"branch"`  // the base of the queue
	GitDir string     `json:"git_dir"` // of its repository
}

// MergeWithdrawn takes the work of a task out of its queue, because the task does not wait for it any more.
type MergeWithdrawn struct {
	Task  TaskID `json:"task"`
	State State  `json:"state"` // of the task
}

// MergeConflict is work that cannot be merged.
type MergeConflict struct {
	Task  TaskID   `json:"task"`
	Files []string `json:"files"` // the first few
}

// MergeBuilt says what work of a queue was merged, onto which commit of the base.
type MergeBuilt struct {
	Base     string `json:"base"` // the commit of the base
	BaseTree string `json:"base_tree"`
	// Commit is the one merge commit, whose first parent is Base. It is Base itself if nothing was merged.
	Commit string   `json:"commit"`
	Tree   string   `json:"tree"`
	Tasks  []TaskID `json:"tasks,omitempty"` // whose work it has, in order
	// Left lists the tasks whose work conflicts with that of Tasks only. It waits for the next batch.
	Left []TaskID `json:"left,omitempty"`
	// Conflicts lists the tasks whose work conflicts with the base.
	Conflicts []MergeConflict `json:"conflicts,omitempty"`
	// There lists the tasks whose work the base has already.
	There []TaskID `json:"there,omitempty"`
	// Environment is that in which the checks would run now, as in round.finished.
	Environment string `json:"environment,omitempty"`
}

// MergeJudged is a verdict on what was built.
type MergeJudged struct {
	Base    string        `json:"base"`
	Commit  string        `json:"commit"`
	Tree    string        `json:"tree"`
	Tasks   []TaskID      `json:"tasks,omitempty"` // whose work was judged together; none if the base was judged alone
	Reused  bool          `json:"reused,omitempty"`
	Results []CheckResult `json:"results"`
	Void    string        `json:"void,omitempty"` // why the verdict does not count; "" if it does
	// Most is how much work the next new batch may have; 0 leaves it unchanged.
	Most int `json:"most,omitempty"`
	// Environment is that in which the checks ran, as in round.finished.
	Environment string `json:"environment,omitempty"`
}

// MergeLanded says that the base branch has the work of tasks.
type MergeLanded struct {
	Old   string   `json:"old"` // the commit of the base before
	New   string   `json:"new"` // one merge commit with the judged tree; Old if the base had the work already
	Tree  string   `json:"tree,omitempty"`
	Tasks []TaskID `json:"tasks"`
	Most  int      `json:"most,omitempty"` // as in merge.judged
}

// MergeWhy is why work goes back from a merge queue to its agent. The strings are a contract.
type MergeWhy string

// The reasons.
const (
	MergeConflicts MergeWhy = "merge_conflict" // it conflicts with the base
	MergeRed       MergeWhy = "merge_red"      // with what the base has by now, its checks fail
)

// MergeReturned says that the work of a task goes back to its agent.
type MergeReturned struct {
	Task   TaskID   `json:"task"`
	Why    MergeWhy `json:"why"`
	Detail string   `json:"detail"` // for people
}

// MergeWait is what a merge queue waits for. The strings are a contract.
type MergeWait string

// What a queue waits for.
const (
	MergeWaitBase     MergeWait = "base_red"     // the base does not pass its own checks
	MergeWaitCheckout MergeWait = "checkout"     // a checkout of the base is in use
	MergeWaitTrouble  MergeWait = "trouble"      // an action failed, and is tried again
	MergeWaitChecks   MergeWait = "checks_break" // the checks left no verdict, several times
)

// MergeHeld says that a queue cannot go on now.
type MergeHeld struct {
	For    MergeWait `json:"for"`
	Why    string    `json:"why"`              // for people
	Commit string    `json:"commit,omitempty"` // of a red base
}

// MergeResumed says that it goes on.
type MergeResumed struct{}

// Kind implements Payload.
func (MergeJoined) Kind() Kind { return "merge.joined" }

// Kind implements Payload.
func (MergeWithdrawn) Kind() Kind { return "merge.withdrawn" }

// Kind implements Payload.
func (MergeBuilt) Kind() Kind { return "merge.built" }

// Kind implements Payload.
func (MergeJudged) Kind() Kind { return "merge.judged" }

// Kind implements Payload.
func (MergeLanded) Kind() Kind { return "merge.landed" }

// Kind implements Payload.
func (MergeReturned) Kind() Kind { return "merge.returned" }

// Kind implements Payload.
func (MergeHeld) Kind() Kind { return "merge.held" }

// Kind implements Payload.
func (MergeResumed) Kind() Kind { return "merge.resumed" }

// OfQueue returns the subject of a merge queue.
func OfQueue(id QueueID) Subject { return Subject{Queue: id} }
