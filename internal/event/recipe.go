package event

import "time"

// Recipe describes how muster talks to an agent that has hooks, or a record of its conversation, of its own. It is data: kind
// generic has it from the configuration, and frozen at dispatch; a preset has it from the program. docs/agents.md explains each
// part. Texts of a launch may have placeholders such as {session}; pointers are JSON pointers (RFC 6901).
type Recipe struct {
	// Command is the command line of a preset. A generic agent has it in Spec.Command.
	Command []string `json:"command,omitempty"`
	// Resume is the command line that takes a conversation up again; without it each generation begins a new one.
	Resume []string `json:"resume,omitempty"`
	// Install is the command that installs the program, for hints.
	Install string `json:"install,omitempty"`
	// Session says who chooses the id of a conversation.
	Session RecipeSession `json:"session,omitempty"`
	// FirstRecord is how long a launch may take until its first record. 0 promises none: an exit ends the turn.
	FirstRecord time.Duration `json:"first_record,omitempty"`
	// Env has further variables of a launch. What the user has set stays.
	Env map[string]string `json:"env,omitempty"`
	// Files are written into the directory of the generation, by their paths in it.
	Files map[string]string `json:"files,omitempty"`
	// Home is where the agent keeps its configuration and conversations.
	Home RecipeHome `json:"home,omitzero"`
	// Seed has files for the configuration directory of a fenced agent, by their paths in it.
	Seed map[string]string `json:"seed,omitempty"`
	// Trusted is where the agent notes which directories its user trusts.
	Trusted RecipeTrusted `json:"trusted,omitzero"`
	// Bypass are arguments by which the agent asks for no permission.
	Bypass []string `json:"bypass,omitempty"`
	// Refuse are arguments that would break a launch.
	Refuse []string `json:"refuse,omitempty"`
	// Configures lists the files of a repository that configure the agent: base names, or directories with a slash at the end.
	Configures []string `json:"configures,omitempty"`
	// Variables select the account or the set-up of the agent; * at the end makes a prefix.
	Variables []string `json:"variables,omitempty"`
	// Fields are pointers into the payload of a hook, by the name of the field. The first with a value counts.
	Fields map[string][]string `json:"fields,omitempty"`
	// Events are what a hook means, by the word behind `muster hook generic`. The first whose When holds counts.
	Events map[string][]RecipeEvent `json:"events,omitempty"`
	// Tools are the classes of the agent's tools, by its own names.
	Tools map[string]ToolClass `json:"tools,omitempty"`
	// Deliver says how a message reaches the running agent.
	Deliver RecipeDelivery `json:"deliver,omitempty"`
	// Record is the agent's own record of a conversation, a file of JSON lines.
	Record RecipeRecord `json:"record,omitzero"`
	// Usage is where lines of that record have what was used.
	Usage RecipeUsage `json:"usage,omitzero"`
	// Quit says how a turn is interrupted and the process is ended.
	Quit RecipeQuit `json:"quit,omitzero"`
}

// RecipeSession is who chooses the id of a conversation.
type RecipeSession string

// The choices of RecipeSession.
const (
	SessionPinned   RecipeSession = "pinned"    // muster does, a UUID
	SessionPinnedV4 RecipeSession = "pinned_v4" // muster does, a UUID that calls itself one of version 4
	SessionReported RecipeSession = "reported"  // the agent does, and its first hook reports it
	SessionNone     RecipeSession = "none"      // there is none: what any process of the generation reports counts
)

// Pinned reports whether muster chooses the id of a conversation.
func (s RecipeSession) Pinned() bool { return s == SessionPinned || s == SessionPinnedV4 }

// ID returns the agent's id of a conversation with a choice of muster, from muster's own, which is a UUID of version 8.
func (s RecipeSession) ID(conversation string) string {
	const version = len("00000000-0000-") // where a UUID has its version
	if s != SessionPinnedV4 || len(conversation) <= version {
		return conversation
	}
	return conversation[:version] + "4" + conversation[version+1:]
}

// RecipeHome is a configuration directory: what Variable has, or Dir below the user's home directory.
type RecipeHome struct {
	Variable string `json:"variable,omitempty"`
	Dir      string `json:"dir,omitempty"`
}

// RecipeTrusted is a JSON file in the configuration directory with a list of trusted directories. Lines that begin with //
// are comments. Parents of a trusted directory's files are trusted with it.
type RecipeTrusted struct {
	File string `json:"file,omitempty"`
	List string `json:"list,omitempty"` // pointer
}

// RecipeMeaning is what a hook or a line of a record means.
type RecipeMeaning string

// The meanings.
const (
	MeansPrompted    RecipeMeaning = "prompted"    // a turn begins; its prompt acknowledges messages
	MeansWorking     RecipeMeaning = "working"     // the turn goes on
	MeansTool        RecipeMeaning = "tool"        // a tool begins
	MeansToolEnded   RecipeMeaning = "tool_ended"  // a tool has ended
	MeansWaiting     RecipeMeaning = "waiting"     // the agent waits for a person
	MeansIdle        RecipeMeaning = "idle"        // the turn is over
	MeansInterrupted RecipeMeaning = "interrupted" // a person ended the turn
	MeansDone        RecipeMeaning = "done"        // the agent says that the task is done
	MeansError       RecipeMeaning = "error"       // the turn ended by an error
	MeansLimited     RecipeMeaning = "limited"     // the account must rest
	MeansEnded       RecipeMeaning = "ended"       // the process ends
	MeansNothing     RecipeMeaning = "nothing"     // the event is left out
)

// RecipeEvent is one meaning of an event.
type RecipeEvent struct {
	State RecipeMeaning `json:"state"`
	// When has the values that the payload must have at pointers.
	When   map[string]any `json:"when,omitempty"`
	Reason WaitReason     `json:"reason,omitempty"` // of MeansWaiting
	Error  ErrorKind      `json:"error,omitempty"`  // of MeansError
	Until  string         `json:"until,omitempty"`  // pointer, of MeansLimited: seconds or milliseconds since 1970, or RFC 3339
	Note   string         `json:"note,omitempty"`   // pointer to a text for people
	// Allow and Deny are the answers to a permission request, which the hook then holds until it is decided. {reason} in Deny is why.
	// Of MeansTool, Deny alone refuses what a rule denies.
	Allow string `json:"allow,omitempty"`
	Deny  string `json:"deny,omitempty"`
	// Ahead says that such a request comes ahead of the event of the same tool, which then does not ask once more.
	Ahead bool `json:"ahead,omitempty"`
	// Words is the answer of MeansToolEnded that gives the agent {words}, the output of a failed check.
	Words string `json:"words,omitempty"`
}

// RecipeDelivery is how a message reaches the running agent.
type RecipeDelivery string

// The deliveries of a recipe.
const (
	DeliverPaste RecipeDelivery = "paste" // it is typed into the idle agent
	DeliverNone  RecipeDelivery = "none"  // it waits for the next generation
)

// RecipeRecord is a file of JSON lines.
type RecipeRecord struct {
	File   string                   `json:"file,omitempty"`   // a path with placeholders; "" is the field transcript
	Event  string                   `json:"event,omitempty"`  // pointer to the word of a line
	Time   string                   `json:"time,omitempty"`   // pointer to its time, RFC 3339
	Prompt string                   `json:"prompt,omitempty"` // pointer to the text of a line that means MeansPrompted
	Events map[string][]RecipeEvent `json:"events,omitempty"` // by the word
}

// RecipeUsage has pointers into the lines of a record whose word is Event.
type RecipeUsage struct {
	Event      string `json:"event,omitempty"`
	ID         string `json:"id,omitempty"` // lines with the same id count once
	Model      string `json:"model,omitempty"`
	Input      string `json:"input,omitempty"`
	Output     string `json:"output,omitempty"`
	CacheRead  string `json:"cache_read,omitempty"`
	CacheWrite string `json:"cache_write,omitempty"`
	Cost       string `json:"cost,omitempty"` // US dollars
	// Inclusive says that the input includes what was read from a cache and written to it.
	Inclusive bool `json:"inclusive,omitempty"`
}

// RecipeQuit is how a turn is interrupted, by keys, and how the process is ended, by a signal.
type RecipeQuit struct {
	Interrupt []string      `json:"interrupt,omitempty"` // names of keys for tmux
	Signal    string        `json:"signal,omitempty"`    // TERM, INT, HUP
	Grace     time.Duration `json:"grace,omitempty"`     // then it is killed
}
