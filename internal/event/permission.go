package event

import "time"

// ToolClass is what the use of a tool does, in terms that are the same for all agents.
type ToolClass string

// The classes of tools.
const (
	ToolRun      ToolClass = "run"      // runs a shell command
	ToolEdit     ToolClass = "edit"     // changes files
	ToolRead     ToolClass = "read"     // reads or searches files
	ToolFetch    ToolClass = "fetch"    // reads from the network
	ToolMCP      ToolClass = "mcp"      // calls a tool of an MCP server
	ToolPlan     ToolClass = "plan"     // proposes a plan
	ToolQuestion ToolClass = "question" // asks a person
	ToolOther    ToolClass = "other"
)

// ToolClasses returns all classes.
func ToolClasses() []ToolClass {
	return []ToolClass{ToolRun, ToolEdit, ToolRead, ToolFetch, ToolMCP, ToolPlan, ToolQuestion, ToolOther}
}

// ToolUse describes one use of a tool, for rules. The supervisor derives it from the request.
type ToolUse struct {
	Class ToolClass `json:"class"`
	// Names are the names of the tool: the agent's own after the kind of agent ("claude:WebFetch"), and that of an MCP
	// server's tool ("mcp:github/create_issue").
	Names   []string `json:"names,omitempty"`
	Command string   `json:"command,omitempty"` // of ToolRun
	// Paths are the files of ToolEdit and ToolRead, with symbolic links resolved: relative to the worktree if they are in
	// it, otherwise absolute.
	Paths []string `json:"paths,omitempty"`
}

// PermissionAction is what a rule does with a request.
type PermissionAction string

// The actions of a rule.
const (
	PermissionAllow PermissionAction = "allow"
	PermissionDeny  PermissionAction = "deny"
	PermissionAsk   PermissionAction = "ask"
)

// PermissionDefault is what happens to a request that nobody answered in time.
type PermissionDefault string

// The defaults of a rule.
const (
	DefaultPark        PermissionDefault = "park"        // the task is parked with the request
	DefaultDeny        PermissionDefault = "deny"        // the request is denied, and the agent goes on another way
	DefaultRecommended PermissionDefault = "recommended" // a question is answered by its first option
)

// PermissionRule decides permission requests and questions. The first rule of a list that matches decides.
type PermissionRule struct {
	Tool    string            `json:"tool,omitempty"`    // a ToolClass, or a pattern for ToolUse.Names; "" matches every tool
	Command string            `json:"command,omitempty"` // a pattern for one simple command
	Path    string            `json:"path,omitempty"`    // a pattern for a file
	Action  PermissionAction  `json:"action"`
	Reason  string            `json:"reason,omitempty"`  // is told to the agent with a denial
	Wait    time.Duration     `json:"wait,omitempty"`    // of PermissionAsk: how long the request stays open; 0 means Spec.WaitLimit
	Default PermissionDefault `json:"default,omitempty"` // of PermissionAsk; "" means DefaultPark
	Origin  string            `json:"origin,omitempty"`  // where the rule was set, as file:line
}

// The deciders of PermissionDecided.
const (
	DecidedByRule     = "rule"
	DecidedByDeadline = "deadline" // nobody answered in time
)

// PermissionDecided is the decision of a rule about a permission request or question.
type PermissionDecided struct {
	Request string   `json:"request"`
	Rule    string   `json:"rule"` // its origin
	Tool    string   `json:"tool,omitempty"`
	What    string   `json:"what,omitempty"` // what the request is about, in a line
	Action  Decision `json:"action"`         // allow, deny or text
	Text    string   `json:"text,omitempty"` // the answer, or why it was denied
	By      string   `json:"by"`             // rule, or deadline where nobody answered in time
}
