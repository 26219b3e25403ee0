package event

import "time"

// Publish says what happens to work that passed its checks.
type Publish string

// The publish modes. Push, pull request and merge come with a forge.
const (
	PublishNone   Publish = "none"
	PublishBranch Publish = "branch"
	PublishPush   Publish = "push"
	PublishPR     Publish = "pr"
	PublishMerge  Publish = "merge"
)

// Door is how a message gets into an agent that runs.
type Door string

// The doors, from best to worst (design section 6).
const (
	DoorMailbox Door = "mailbox" // the agent's own hooks take it from the inbox, without a keystroke, at any time
	DoorPaste   Door = "paste"   // bracketed paste and Enter, only while the agent says it is idle
	DoorRespawn Door = "respawn" // nothing gets in: a new generation is started with the message in its prompt
)

// Traits is what the life of a task depends on in its kind of agent; frozen at dispatch.
type Traits struct {
	Door Door `json:"door"`
	// FirstRecord is how long a launch may take to its first record; 0 for a kind that promises none, which
	// counts as working from its launch on.
	FirstRecord time.Duration `json:"first_record,omitempty"`
	// Aside reports that the supervisor's own words (a nudge) get in in the middle of a turn, through the agent's hooks,
	// though its Door is another one. What gets in that way does not count as a user's words.
	Aside bool `json:"aside,omitempty"`
	// Resumes tells that a conversation can be taken up again by its id.
	Resumes bool `json:"resumes,omitempty"`
	// ExitIsTurn tells that an exit with status 0 ends the turn and claims done; otherwise any exit that
	// muster did not ask for is the agent's fault.
	ExitIsTurn bool `json:"exit_is_turn,omitempty"`
}

// Check is a command of the project that judges an agent's work.
type Check struct {
	Name    string        `json:"name"`
	Run     string        `json:"run"` // given to sh -c in the worktree
	Timeout time.Duration `json:"timeout"`
	OnEdit  bool          `json:"on_edit,omitempty"` // also right after each edit, within the agent's turn
}

// Spec is a task as it was dispatched: everything that is frozen then. The prompt is kept beside it, since it
// may be large and is read once a generation.
type Spec struct {
	Name    string `json:"name"`
	Slug    string `json:"slug"`
	Summary string `json:"summary"` // the prompt's first line, cleaned and cut, for lists
	Repo    string `json:"repo"`    // absolute path of the checkout that dispatch was run for
	// GitDir is the git directory that all checkouts of the repository share; "" in tasks of older versions.
	GitDir    string            `json:"git_dir,omitempty"`
	Base      string            `json:"base"`  // branch, commit, or @task
	Agent     string            `json:"agent"` // the name in the configuration
	Kind      string            `json:"kind"`  // the adapter: claude, command, sim
	Command   []string          `json:"command,omitempty"`
	Args      []string          `json:"args,omitempty"`
	Model     string            `json:"model,omitempty"`
	Env       map[string]string `json:"env,omitempty"`
	EnvFrom   []string          `json:"env_from,omitempty"` // names only; their values never enter the log
	Trust     string            `json:"trust,omitempty"`    // "" inherits the user's; "sandboxed"
	Traits    Traits            `json:"traits"`
	Publish   Publish           `json:"publish"`
	Checks    []Check           `json:"checks,omitempty"`
	Setup     string            `json:"setup,omitempty"` // given to sh -c in the new worktree
	Copy      []string          `json:"copy,omitempty"`  // files of the checkout that a worktree needs, relative
	After     []TaskID          `json:"after,omitempty"`
	Priority  int               `json:"priority,omitempty"` // higher goes first
	Attempts  int               `json:"attempts"`
	Respawns  int               `json:"respawns"`
	Rounds    int               `json:"rounds"`
	Timeout   time.Duration     `json:"timeout"`
	WaitLimit time.Duration     `json:"wait_limit"` // how long a permission request or a question stays open
	Keep      time.Duration     `json:"keep"`       // how long a finished session keeps its last screen
	// Silence is how long a working agent may say nothing before it is looked at, and SilenceInTool how long while a
	// tool call is open. 0, as in tasks of before there was such a thing, looks never.
	Silence       time.Duration `json:"silence,omitempty"`
	SilenceInTool time.Duration `json:"silence_in_tool,omitempty"`
}
