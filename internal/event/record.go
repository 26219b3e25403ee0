package event

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// RecordVersion is the version that muster writes into status records.
const RecordVersion = 1

// RecordState is the state of an agent in a status record.
type RecordState string

// The states of a status record (design section 5).
const (
	RecordWorking RecordState = "working"
	RecordWaiting RecordState = "waiting" // with Reason
	RecordIdle    RecordState = "idle"    // the turn is over, ready for input
	RecordDone    RecordState = "done"    // claims that the task is done
	RecordError   RecordState = "error"   // the turn ended by an error, with Error
	RecordLimited RecordState = "limited" // with Until
	// Launched and exited records in a file are only evidence. The kernel or tmux confirms them.
	RecordLaunched RecordState = "launched"
	RecordExited   RecordState = "exited"
)

// WaitReason is what a waiting agent waits for.
type WaitReason string

// The reasons of a waiting record.
const (
	WaitPermission WaitReason = "permission"
	WaitQuestion   WaitReason = "question"
	WaitDialog     WaitReason = "dialog"
)

// ErrorKind is the type of an error that ended a turn.
type ErrorKind string

// The error kinds of a status record.
const (
	ErrorRateLimit      ErrorKind = "rate_limit"
	ErrorOverloaded     ErrorKind = "overloaded"
	ErrorAuth           ErrorKind = "auth"
	ErrorBilling        ErrorKind = "billing"
	ErrorNetwork        ErrorKind = "network"
	ErrorInvalidRequest ErrorKind = "invalid_request"
	ErrorContextFull    ErrorKind = "context_full"
	ErrorOther          ErrorKind = "other"
)

// Usage is the cumulative usage of a conversation, never a difference. It means the same for every kind of agent: the
// adapters translate what theirs reports.
type Usage struct {
	InputTokens      int64 `json:"input_tokens"`                 // without those that were read from a cache or written to one
	OutputTokens     int64 `json:"output_tokens"`                // with reasoning
	CacheReadTokens  int64 `json:"cache_read_tokens,omitempty"`  // input that was read from a cache
	CacheWriteTokens int64 `json:"cache_write_tokens,omitempty"` // input that was written to a cache
	// CacheWrite1hTokens are those of CacheWriteTokens that the cache keeps for an hour, which cost more.
	CacheWrite1hTokens int64   `json:"cache_write_1h_tokens,omitempty"`
	CostUSD            float64 `json:"cost_usd"`        // at list prices; without what Unpriced names
	Turns              int     `json:"turns,omitempty"` // answers of the model, each of which may call tools
	Model              string  `json:"model,omitempty"` // that gave the newest answer of the conversation itself
	// Unpriced names the models whose price is not known, separated by spaces. Their tokens count, and their cost does not.
	Unpriced string `json:"unpriced,omitempty"`
}

// Add returns the sum of two usages of different conversations. The model is that of the second, if it has one.
func (u Usage) Add(v Usage) Usage {
	u.InputTokens += v.InputTokens
	u.OutputTokens += v.OutputTokens
	u.CacheReadTokens += v.CacheReadTokens
	u.CacheWriteTokens += v.CacheWriteTokens
	u.CacheWrite1hTokens += v.CacheWrite1hTokens
	u.CostUSD += v.CostUSD
	u.Turns += v.Turns
	u.Model = cmp.Or(v.Model, u.Model)
	for _, model := range strings.Fields(v.Unpriced) {
		u = u.WithoutPrice(model)
	}
	return u
}

// maxUnpriced bounds the names in Usage.Unpriced: a conversation has few models, and an agent may write any name.
const maxUnpriced = 8

// WithoutPrice returns the usage with a model added to those without a price.
func (u Usage) WithoutPrice(model string) Usage {
	all := strings.Fields(u.Unpriced)
	if model == "" || slices.Contains(all, model) || len(all) >= maxUnpriced {
		return u
	}
	all = append(all, model)
	slices.Sort(all)
	u.Unpriced = strings.Join(all, " ")
	return u
}

// Since returns what was used after an earlier state of the same usage. Figures that have fallen add nothing.
func (u Usage) Since(v Usage) Usage {
	u.InputTokens = max(0, u.InputTokens-v.InputTokens)
	u.OutputTokens = max(0, u.OutputTokens-v.OutputTokens)
	u.CacheReadTokens = max(0, u.CacheReadTokens-v.CacheReadTokens)
	u.CacheWriteTokens = max(0, u.CacheWriteTokens-v.CacheWriteTokens)
	u.CacheWrite1hTokens = max(0, u.CacheWrite1hTokens-v.CacheWrite1hTokens)
	u.CostUSD = max(0, u.CostUSD-v.CostUSD)
	u.Turns = max(0, u.Turns-v.Turns)
	return u
}

// Tokens returns the tokens that count for a budget: input that did not come from a cache, and output. Reading a cache
// costs money and no tokens.
func (u Usage) Tokens() int64 { return u.InputTokens + u.CacheWriteTokens + u.OutputTokens }

// Price is what a model costs, in USD per million tokens.
type Price struct {
	Model      string  `json:"model"` // a name; * in it matches any characters
	Input      float64 `json:"input"`
	Output     float64 `json:"output"`
	CacheRead  float64 `json:"cache_read"`
	CacheWrite float64 `json:"cache_write"` // for a cache of five minutes; one of an hour costs twice the input
}

// Sources of records, for Record.Src.
const (
	SrcHook = "hook" // an event that has just happened, from a hook of the agent
	// SrcStatusFile is for a state without its cause, at the time when it began: if the agent's own status file says idle,
	// the turn may have ended well or by an error, or a person may have interrupted it.
	SrcStatusFile = "statusfile"
	SrcTranscript = "transcript" // what the agent's own transcript proves, such as that a message became part of the conversation
	SrcExit       = "exit"       // an exit that ends a turn
)

// Record is one line of a status file. Only State is needed: {"state":"working"} is a whole record.
// Unknown fields are ignored. The JSON schema is generated from this type and its comments.
type Record struct {
	// V is the version of the format, 1; absent means 1.
	V int `json:"v,omitempty"`
	// Time is when the writer wrote it, RFC 3339; absent means when muster read it.
	Time time.Time `json:"time,omitzero"`
	// Gen is the generation that the writer belongs to; a record of an older one is kept and never obeyed.
	Gen int `json:"gen,omitempty"`
	// Src says who wrote it: hook, statusfile, transcript, launcher, cli, script.
	Src string `json:"src,omitempty"`
	// State is what the agent is doing.
	State RecordState `json:"state"`
	// Reason says what a waiting agent waits for.
	Reason WaitReason `json:"reason,omitempty"`
	// Note is a short text for people.
	Note string `json:"note,omitempty"`
	// Tool is the tool in use or asked for.
	Tool string `json:"tool,omitempty"`
	// ToolUseID pairs the begin and end of one use of a tool: the record that ends it names no tool.
	ToolUseID string `json:"tool_use_id,omitempty"`
	// SessionID is the agent's conversation; a record of another one is never obeyed.
	SessionID string `json:"session_id,omitempty"`
	// PromptID is the agent's own id of the prompt that this turn answers.
	PromptID string `json:"prompt_id,omitempty"`
	// Message is the muster message that this record acknowledges.
	Message MessageID `json:"message,omitempty"`
	// Request is the id of the open permission request or question, to be named by its answer.
	Request string `json:"request,omitempty"`
	// Options are the answers that a question offers.
	Options []string `json:"options,omitempty"`
	// PermissionMode is the agent's effective permission mode.
	PermissionMode string `json:"permission_mode,omitempty"`
	// Error is the kind of error that ended the turn.
	Error ErrorKind `json:"error,omitempty"`
	// Until is when a limit ends.
	Until time.Time `json:"until,omitzero"`
	// UntilFrom says where Until is from: quotaLimits, rate_limits, retry.next or words.
	UntilFrom RestSource `json:"until_from,omitempty"`
	// Limits is how much of the usage limits of the agent's account is used.
	Limits []LimitWindow `json:"limits,omitempty"`
	// Usage is the cumulative use of this conversation.
	Usage *Usage `json:"usage,omitempty"`
	// Verdict is the answer of a reviewer.
	Verdict *Verdict `json:"verdict,omitempty"`
	// Background tells that work goes on although the turn is over.
	Background bool `json:"background,omitempty"`
	// Prompted marks the start of a turn: the agent took a prompt.
	Prompted bool `json:"prompted,omitempty"`
	// Stopping says that the agent has ended its turn by itself: in a working record unless one of its hooks sends it on,
	// in an idle record for good.
	Stopping bool `json:"stopping,omitempty"`
	// Interrupted says, in an idle record, that the turn was broken off, by a person or by muster.
	Interrupted bool `json:"interrupted,omitempty"`
	// Transcript is the path of the conversation's transcript, as the agent names it.
	Transcript string `json:"transcript,omitempty"`
	// PID is the process that a launched record speaks of.
	PID int `json:"pid,omitempty"`
	// Exit is the exit status that an exited record claims.
	Exit *int `json:"exit,omitempty"`
	// Signal is the signal that an exited record claims.
	Signal int `json:"signal,omitempty"`
}
