package config

import (
	"slices"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/permit"
)

// Base names of the two configuration files.
const (
	ProjectFile = "muster.toml" // at the root of a checkout
	UserFile    = "config.toml" // in the user's configuration directory
)

// Config holds every setting, after all layers. A caller that overrides fields by flags also updates Origin.
type Config struct {
	Task      Task
	Checks    []event.Check // in the order of the file, which is the order in which they run
	Reviews   []Review      // the checks that are agents, in the order of the file; they run after all others
	Workspace Workspace
	Agents    map[string]Agent // only what the files name; see Config.Agent for the built-in ones
	Accounts  []Account        // in the order of the file, which is the order of preference
	// Permission has the rules for requests of agents, in the order in which they are looked at: the user's denials, the
	// project's rules, the user's other rules.
	Permission []event.PermissionRule
	// Denials is how many of them are the user's denials, which even the rules of a task do not precede.
	Denials int
	Merge   Merge
	// Done is what finished work must show besides green checks.
	Done   event.Demands
	Budget Budget
	Prices []event.Price // before the built-in ones, in the order of their patterns
	Fence  Fence
	Notify Notify
	// Forges are the programs that stand for forges which muster does not know, in the order of the file.
	Forges []Forge
	// Recurring are the files of tasks that are dispatched by a schedule, in the order of the file.
	Recurring []Recurring
	Recording Recording
	Fleet     Fleet
	// Origin maps the path of a key (task.rounds) to where its value was set: "file:line", or "default".
	Origin map[string]string
}

// Task holds the defaults of a dispatch.
type Task struct {
	Agent     string // a name for Config.Agent
	Base      string // branch or commit; "" is the branch checked out in the checkout
	Publish   event.Publish
	Timeout   time.Duration // wall time of the whole task
	Attempts  int           // generations that ended by the agent's own fault, the first included
	Rounds    int           // rounds of checks
	Respawns  int           // further generations of any cause
	Priority  int           // higher goes first
	Keep      time.Duration // how long a finished session keeps its last screen
	WaitLimit time.Duration // how long a permission request or a question stays open
	// Silence is how long a working agent may be silent before the supervisor acts; SilenceInTool is the same while a
	// tool call is open.
	Silence, SilenceInTool time.Duration
	// CILimit is how long a check of a pull request may have no verdict before the task is parked; 0 is for ever.
	CILimit time.Duration
}

// Merge is how a merge queue lands work.
type Merge struct {
	Style event.MergeStyle
}

// Review is a check that is an agent.
type Review struct {
	Name    string // of the check
	Agent   string // a name for Config.Agent
	Prompt  string // what it is to look at
	Model   string // "" is that of the agent
	Timeout time.Duration
	CostUSD float64 // what one review may cost; 0 is no limit
}

// Workspace is what a new worktree needs.
type Workspace struct {
	Setup string   // run by sh -c in the new worktree; "" is none
	Copy  []string // files of the checkout, relative and clean
}

// Agent is one way to start an agent.
type Agent struct {
	Name    string
	Kind    string // the adapter
	Command []string
	Args    []string
	Env     map[string]string
	EnvFrom []string // names only; the values come from the environment that the fleet was started with
	Model   string
	Trust   string // "" (as the user's own set-up of the agent) or "sandboxed"
	// Described has the keys that describe an agent of kind generic, as the files have them, and Recipe what they mean.
	Described map[string]any
	Recipe    *event.Recipe
}

// Account is an account of a model's service that agents use.
type Account struct {
	Name        string
	Agent       string            // an agent, or a kind
	Env         map[string]string // selects the account
	EnvFrom     map[string]string // by the agent's variable, the name of a variable of the fleet's environment
	MaxAgents   int               // agents that run on it at once; 0 is no limit
	Spread      time.Duration     // the pause between two agents that are woken after a rest
	PreferBelow int               // percent of a usage limit; above it new work goes elsewhere if it can
	Budget      event.SharedBudget
}

// The defaults of an account.
const (
	DefaultSpread      = 10 * time.Second
	DefaultPreferBelow = 90
	defaultShare       = 0.8
)

// Fence is what an agent, its checks and its setup may use of the machine. A project's file can only narrow it.
type Fence struct {
	Mode  string   // FenceOff or FenceOn
	Read  []string // absolute; granted in addition to the built-in list
	Write []string // absolute
	Unix  string   // UnixDeny or UnixAllow
	TCP   Ports
	Cache string // CacheUser, CacheRepository or CacheTask
	Git   string // GitCommit or GitRead
}

// Ports are TCP ports; nil stands for all of them.
type Ports []int

// Words of the fence.
const (
	FenceOff = "off"
	FenceOn  = "on"

	UnixAllow = "allow"
	UnixDeny  = "deny"

	CacheUser       = event.CacheUser
	CacheRepository = event.CacheRepository
	CacheTask       = event.CacheTask

	GitCommit = event.GitCommit
	GitRead   = event.GitRead
)

// Recording is what is recorded of the terminals of agents.
type Recording struct {
	Mode string // RecordingOn or RecordingOff
	Size int64  // bytes that the recordings of a task may take
}

// Words of recording.mode.
const (
	RecordingOn  = "on"
	RecordingOff = "off"
)

// leastRecording is the least size of the recordings of a task. Half of it is for one generation.
const leastRecording = 2 << 20

// Bytes returns what the recordings of a task may take; 0 if nothing is recorded.
func (r Recording) Bytes() int64 {
	if r.Mode == RecordingOff {
		return 0
	}
	return r.Size
}

// Fleet holds the settings of this machine. They come from the user's file only.
type Fleet struct {
	MaxAgents     int           // 0: by memory and cores, see DefaultMaxAgents
	MaxChecks     int           // 0: half the cores
	MinFreeMemory int64         // bytes; below it no agent is started
	MinFreeDisk   int64         // bytes; below it no agent is started
	Wait          time.Duration // default of Task.WaitLimit
	TmuxConf      string        // absolute path of a file that the tmux server sources; "" is none
	DeadmanURL    string        // gets a GET after each complete check of the fleet; "" is none
}

// Default returns the configuration without any file.
func Default() Config {
	c := Config{
		Task: Task{
			Agent: kindClaude, Publish: event.PublishBranch, Timeout: 3 * time.Hour,
			Attempts: 3, Rounds: 5, Respawns: 20, Keep: 24 * time.Hour, WaitLimit: 15 * time.Minute,
			Silence: 10 * time.Minute, SilenceInTool: time.Hour, CILimit: 6 * time.Hour,
		},
		Agents: map[string]Agent{},
		Merge:  Merge{Style: event.MergeStyleMerge},
		Done: event.Demands{
			NoChange: event.ReactionBack, OutsideScope: event.ReactionBack, DeletedTests: event.ReactionBack,
			ProseOnly: event.ReactionAllow, CheckConfig: event.ReactionAllow, TooLarge: event.ReactionPark,
		},
		Budget:    Budget{Task: event.Budget{Soft: 0.8}, Night: NightBudget{SharedBudget: event.SharedBudget{Soft: defaultShare}, Since: defaultDusk}},
		Fence:     Fence{Mode: FenceOff, Unix: UnixDeny, Cache: CacheRepository, Git: GitCommit},
		Recording: Recording{Mode: RecordingOn, Size: 16 << 20},
		Fleet:     Fleet{MinFreeMemory: 512 << 20, MinFreeDisk: 1 << 30, Wait: 15 * time.Minute},
		Origin:    map[string]string{},
	}
	for _, k := range keys() {
		if !k.open() {
			c.Origin[k.path] = originDefault
		}
	}
	return c
}

const originDefault = "default"

// defaultReviewTimeout is the time limit of a review that sets none.
const defaultReviewTimeout = 30 * time.Minute

// defaultCheckTimeout is the time limit of a check that sets none.
const defaultCheckTimeout = 10 * time.Minute

// Agent returns the agent of that name, from the files or built in. The error for an unknown name is a fault.Usage
// that lists the known names.
func (c Config) Agent(name string) (Agent, error) {
	if a, ok := c.Agents[name]; ok {
		return a, nil
	}
	if slices.Contains(kinds(), name) {
		return Agent{Name: name, Kind: name}, nil
	}
	return Agent{}, fault.New(fault.Usage, "unknown agent %q", name).
		WithHint("%s", hintWord(name, c.agentNames(), "Known agents", "Or describe it in "+ProjectFile+" under [agents.NAME]."))
}

// AccountsOf returns the accounts that tasks of an agent may use, the preferred one first: those that name the agent, or
// else those that name its kind. It returns none for an agent that has only its implied account.
func (c Config) AccountsOf(a Agent) []Account {
	of := func(name string) (out []Account) {
		for _, account := range c.Accounts {
			if account.Agent == name {
				out = append(out, account)
			}
		}
		return out
	}
	if own := of(a.Name); len(own) > 0 {
		return own
	}
	return of(a.Kind)
}

// CheckRule returns a fault.Usage for a rule of a task that is contradictory or that can never match.
func CheckRule(r event.PermissionRule) error { return permit.Check(r, kinds()) }

// Rules returns the rules for a task with rules of its own, in the order in which they are looked at.
func (c Config) Rules(own []event.PermissionRule) []event.PermissionRule {
	return slices.Concat(c.Permission[:c.Denials], own, c.Permission[c.Denials:])
}

// agentNames returns all names that Agent knows, sorted.
func (c Config) agentNames() []string {
	names := kinds()
	for n := range c.Agents {
		names = append(names, n)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// DefaultMaxAgents returns how many agents run at once if fleet.max_agents is not set: two per core, limited by the
// memory (in bytes), and at least one.
func DefaultMaxAgents(memBytes uint64, cores int) int {
	const perAgent = 3 << 29 // 1.5 GiB for an agent with its language server and a build
	byMemory := int(min(memBytes/perAgent, 1<<16))
	return max(1, min(2*cores, byMemory))
}

// The kinds of agent. Only the agent package knows what they mean.
const (
	kindACP      = "acp"
	kindClaude   = "claude"
	kindCodex    = "codex"
	kindCommand  = "command"
	kindCopilot  = "copilot"
	kindGemini   = "gemini"
	kindGeneric  = "generic"
	kindOpenCode = "opencode"
	kindQwen     = "qwen"
	kindSim      = "sim"
)

// kinds returns the values of agents.NAME.kind, which are also the names of built-in agents.
func kinds() []string {
	return []string{kindACP, kindClaude, kindCodex, kindCommand, kindCopilot, kindGemini, kindGeneric, kindOpenCode, kindQwen, kindSim}
}

// NewCheck returns a check with the default time limit, as given by a flag. A bad name and an empty command are a
// fault.Usage.
func NewCheck(name, cmd string) (event.Check, error) {
	switch {
	case !validName(name):
		return event.Check{}, fault.New(fault.Usage, "%q is no name for a check", name).
			WithHint("%s", nameRule)
	case strings.TrimSpace(cmd) == "":
		return event.Check{}, fault.New(fault.Usage, "check %s has no command", name).WithHint("Write %s=COMMAND.", name)
	}
	return event.Check{Name: name, Run: cmd, Timeout: defaultCheckTimeout}, nil
}
