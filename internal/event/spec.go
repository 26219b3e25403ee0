package event

import (
	"cmp"
	"time"
)

// Publish is what happens to work that passed its checks.
type Publish string

// The publish modes.
const (
	PublishNone   Publish = "none"
	PublishBranch Publish = "branch"
	PublishPush   Publish = "push"
	PublishPR     Publish = "pr"
	PublishMerge  Publish = "merge"
)

// MergeStyle is the shape of what a merge queue lands on the base.
type MergeStyle string

// The merge styles.
const (
	MergeStyleMerge  MergeStyle = "merge"  // one merge commit for each landing
	MergeStyleLinear MergeStyle = "linear" // one commit for the work of each task
)

// Door is the delivery channel of messages to a running agent.
type Door string

// The doors, from best to worst (design section 6).
const (
	DoorMailbox Door = "mailbox" // the agent's own hooks take it from the inbox, without a key press, at any time
	DoorPaste   Door = "paste"   // bracketed paste and Enter, only while the agent reports that it is idle
	DoorRespawn Door = "respawn" // not while it runs: a new generation is started with the message in its prompt
)

// Traits are the capabilities of the kind of agent on which the life of a task depends. They are frozen at dispatch.
type Traits struct {
	Door Door `json:"door"`
	// FirstRecord is how long a launch may take until its first record. It is 0 for a kind that promises none, which
	// counts as working from its launch on.
	FirstRecord time.Duration `json:"first_record,omitempty"`
	// Aside reports whether messages of the supervisor (a nudge) can be delivered during a turn through the agent's
	// hooks, although its Door is another one. Such a message does not count as the user's.
	Aside bool `json:"aside,omitempty"`
	// Resumes reports whether a conversation can be resumed by its id.
	Resumes bool `json:"resumes,omitempty"`
	// ExitIsTurn reports whether an exit with status 0 ends the turn and claims that the task is done. Otherwise any
	// exit that muster did not request is the agent's fault.
	ExitIsTurn bool `json:"exit_is_turn,omitempty"`
	// Mode is the permission mode that the agent's configuration asks for, in the words of its records. It is "" if the
	// configuration names none, or the agent does not report it.
	Mode string `json:"mode,omitempty"`
}

// Check is a command of the project that judges an agent's work.
type Check struct {
	Name    string        `json:"name"`
	Run     string        `json:"run"` // run by sh -c in the worktree
	Timeout time.Duration `json:"timeout"`
	OnEdit  bool          `json:"on_edit,omitempty"` // also right after each edit, within the agent's turn
	// Flaky is how often a failed run is repeated before it is a verdict.
	Flaky int `json:"flaky,omitempty"`
	// Only are patterns of files. A round leaves the check out if the work has changed none of them.
	Only []string `json:"only,omitempty"`
}

// Spec is a task as it was dispatched, with everything that is frozen then. The prompt is stored separately, because
// it may be large and is read once per generation.
type Spec struct {
	Name    string `json:"name"`
	Slug    string `json:"slug"`
	Summary string `json:"summary"` // the prompt's first line, cleaned and cut, for lists
	Repo    string `json:"repo"`    // absolute path of the checkout that dispatch was run for
	// GitDir is the git directory that all checkouts of the repository share; "" in tasks of older versions.
	GitDir  string            `json:"git_dir,omitempty"`
	Base    string            `json:"base"`  // branch, commit, or @task
	Agent   string            `json:"agent"` // the name in the configuration
	Kind    string            `json:"kind"`  // the adapter, such as "command"
	Command []string          `json:"command,omitempty"`
	Args    []string          `json:"args,omitempty"`
	Model   string            `json:"model,omitempty"`
	Env     map[string]string `json:"env,omitempty"`
	EnvFrom []string          `json:"env_from,omitempty"` // only names; their values are never written to the log
	Trust   string            `json:"trust,omitempty"`    // "" means as the user's own set-up; or "sandboxed"
	Traits  Traits            `json:"traits"`
	Publish Publish           `json:"publish"`
	// Style is that of the task's merge queue. It is "" for MergeStyleMerge, and in any other mode.
	Style  MergeStyle `json:"style,omitempty"`
	Remote string     `json:"remote,omitempty"` // the name of the remote that work is pushed to
	Forge  string     `json:"forge,omitempty"`  // the repository of its changes, HOST/OWNER/NAME
	Into   string     `json:"into,omitempty"`   // the branch that a change is to be merged into
	Checks []Check    `json:"checks,omitempty"`
	// Reviews are the checks that are agents. They run one after another once all commands are green.
	Reviews []Reviewer `json:"reviews,omitempty"`
	// Issue is the issue of a forge that the task was made from; nil for any other task.
	Issue *Issue `json:"issue,omitempty"`
	// Review is the work that this task reviews; nil for any other task.
	Review *ReviewOf `json:"review,omitempty"`
	// Race has the tasks with the same order, of which one is published; nil for any other task.
	Race      *Race         `json:"race,omitempty"`
	Setup     string        `json:"setup,omitempty"` // run by sh -c in the new worktree
	Copy      []string      `json:"copy,omitempty"`  // files of the checkout for the worktree, as relative paths
	After     []TaskID      `json:"after,omitempty"`
	Priority  int           `json:"priority,omitempty"` // higher starts first
	Attempts  int           `json:"attempts"`
	Respawns  int           `json:"respawns"`
	Rounds    int           `json:"rounds"`
	Timeout   time.Duration `json:"timeout"`
	WaitLimit time.Duration `json:"wait_limit"` // how long a permission request or a question stays open
	Keep      time.Duration `json:"keep"`       // how long a finished session keeps its last screen
	// Recording is what the recordings of the task's terminals may take, in bytes; 0 means that nothing is recorded.
	Recording int64 `json:"recording,omitempty"`
	// Silence is how long a working agent may be silent before it is probed, and SilenceInTool is the same while a
	// tool call is open. 0 means never, as in tasks of older versions.
	Silence       time.Duration `json:"silence,omitempty"`
	SilenceInTool time.Duration `json:"silence_in_tool,omitempty"`
	// CILimit is how long a check of the task's change may have no verdict. 0 means for ever, as in tasks of older versions.
	CILimit time.Duration `json:"ci_limit,omitempty"`
	// Permission has the rules for the agent's requests, in the order in which they are looked at.
	Permission []PermissionRule `json:"permission,omitempty"`
	// Done is what finished work must show besides green checks.
	Done Demands `json:"done,omitzero"`
	// Budget is what the task may use.
	Budget Budget `json:"budget,omitzero"`
	// Prices are those of the configuration, which go before the built-in ones.
	Prices []Price `json:"prices,omitempty"`
	// Fence is what the agent, its checks and its setup may use; nil means that nothing restricts them.
	Fence *Fence `json:"fence,omitempty"`
	// Recipe describes an agent of kind generic; nil for the other kinds.
	Recipe *Recipe `json:"recipe,omitempty"`
	// Accounts are the accounts that the task may use, the preferred one first. Without any the task uses the implied
	// account of its agent.
	Accounts []TaskAccount `json:"accounts,omitempty"`
}

// Issue is an issue of a forge that has become a task. Its text is part of the prompt, and is not read again.
type Issue struct {
	Forge  string `json:"forge"` // the repository, HOST/OWNER/NAME
	Number int    `json:"number"`
	URL    string `json:"url"`
	Author string `json:"author"` // who wrote it
	Label  string `json:"label"`
	By     string `json:"by"`   // who set the label
	Hash   string `json:"hash"` // of title and body, SHA-256
}

// TaskAccount is an account that a task may use, as it was configured at dispatch.
type TaskAccount struct {
	Name AccountID `json:"name"`
	// Env is set in the agent's environment, over Spec.Env.
	Env map[string]string `json:"env,omitempty"`
	// EnvFrom names, by the agent's variable, the variable of the fleet's environment whose value it gets. The values
	// are never written to the log.
	EnvFrom map[string]string `json:"env_from,omitempty"`
}

// MergeStyle returns the style in which the task's work is merged; "" if it is published otherwise.
func (s Spec) MergeStyle() MergeStyle {
	if s.Publish != PublishMerge {
		return ""
	}
	return cmp.Or(s.Style, MergeStyleMerge)
}

// LongestWait returns how long a request of the task may stay open: WaitLimit, or the longest wait of a rule.
func (s Spec) LongestWait() time.Duration {
	longest := s.WaitLimit
	for _, r := range s.Permission {
		longest = max(longest, r.Wait)
	}
	return longest
}

// Fence is what a task may use of the machine in addition to the built-in list: the fence section of the configuration as
// it was at dispatch.
type Fence struct {
	Read  []string `json:"read,omitempty"`  // real paths
	Write []string `json:"write,omitempty"` // real paths
	Unix  bool     `json:"unix,omitempty"`  // Unix sockets are allowed
	Ports []int    `json:"ports"`           // TCP ports that may be connected to; null means all
	Cache string   `json:"cache"`           // CacheUser, CacheRepository or CacheTask
	Git   string   `json:"git"`             // GitCommit or GitRead
	// ReadOnly means that the worktree cannot be written, as for a reviewer.
	ReadOnly bool `json:"read_only,omitempty"`
}

// The values of Fence.Cache and Fence.Git, which are also those of the configuration.
const (
	CacheUser       = "user"
	CacheRepository = "repository"
	CacheTask       = "task"

	GitCommit = "commit"
	GitRead   = "read"
)
