package agent

import (
	"context"
	"io"
	"io/fs"
	"syscall"
	"time"

	"muster/internal/event"
	"muster/internal/home"
	"muster/internal/mail"
	"muster/internal/status"
)

// Adapter is one kind of agent. Its methods may be called from anywhere at any time; none keeps anything.
type Adapter interface {
	// Kind is the adapter's name in configuration and specs, such as "command".
	Kind() string
	// Traits is what the life of a task depends on in this kind; frozen at dispatch.
	Traits() event.Traits
	// Check looks, before a task is taken and for doctor, whether a launch would come to work. What is missing
	// is a fault.Conflict whose hint is the one command to run; nothing is changed. Costs up to a second.
	Check(ctx context.Context, p Preflight) error
	// Plan says how to start a generation. It reads at most, and writes nothing.
	Plan(l Launch) (Plan, error)
	// Sources are the further files in which a running agent tells of itself, as records.
	Sources(l Launch, pid int) []status.Source
	// Hook is the other end of what Plan registered with the agent, `muster hook KIND EVENT`: it reads what the
	// agent says, writes a record, answers. It gives the exit status, and never fails the agent.
	Hook(ctx context.Context, h HookCall) int
	// Resumable tells whether the conversation can be taken up again; if not, it begins with the prompt again.
	Resumable(l Launch) bool
	// Delivered looks at the world for a message whose acknowledgement was not seen.
	Delivered(l Launch, m event.MessageID) (Delivery, error)
	// Interrupt is how the turn that runs is broken off.
	Interrupt() Interrupt
	// End is how the process is ended.
	End() End
}

// Preflight is what Check looks at.
type Preflight struct {
	Spec event.Spec
	Env  []string // NAME=VALUE: the allow-list from the fleet's environment and what Spec.EnvFrom names, where set
	Home home.Dir
	// Prompt is what the task will be told; "" where it is not known yet, as for the doctor.
	Prompt string
}

// Launch is a generation that is about to start or has started.
type Launch struct {
	Home         home.Dir
	Task         event.TaskID
	Gen          int
	Spec         event.Spec
	Worktree     string   // absolute
	Env          []string // NAME=VALUE, complete: allow-list, env_from, the spec's own
	Exe          string   // the program that hooks run: <state>/bin/muster-<version>
	Prompt       string   // the task's prompt, as it was dispatched
	Conversation string   // the pinned id of the conversation, a UUID; the same for all generations that resume it
	Resume       bool     // take the conversation up again instead of beginning it
	GoOn         string   // what a resumed conversation is told
	// Messages go with the prompt; those whose tag already stands in it, or in GoOn, are not repeated.
	Messages []mail.Message
	Preamble string // from Preamble
	Granted  string // the request of the generation before that a person has allowed since; "" is none
}

// Plan is how a generation starts.
type Plan struct {
	Argv  []string // the program is an absolute path, or relative to the worktree
	Env   []string // NAME=VALUE, in addition to Launch.Env and winning over it
	Files []File
}

// File is a file that has to lie in the generation's directory before it starts.
type File struct {
	Path string // relative to home.Dir.GenDir
	Data []byte
	Mode fs.FileMode
}

// HookCall is one call of a hook by an agent. Any of its fields may be missing.
type HookCall struct {
	Event  string // the word behind the kind
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Getenv func(string) string
	PPID   int // the process that called, as it was at the start
}

// Delivery is what became of a message that was handed over.
type Delivery string

// The deliveries.
const (
	DeliveryAcknowledged Delivery = "acknowledged" // it is part of the conversation
	DeliveryEnqueued     Delivery = "enqueued"     // the agent holds it in memory: lost if the process is gone
	DeliveryAbsent       Delivery = "absent"       // no trace of it
	DeliveryUnknown      Delivery = "unknown"      // this kind of agent leaves no trace to look for
)

// Interrupt is how a turn is broken off: by keys, or by a signal.
type Interrupt struct {
	Keys   []string       // names of keys for tmux; none where a signal does it
	Signal syscall.Signal // 0 where keys do it
}

// End is how a process is ended: by the signal, and by SIGKILL if it still lives after the grace.
type End struct {
	Signal syscall.Signal
	Grace  time.Duration
}

// The writers of records, in Record.Src: what weighs more than what, the reader decides.
const (
	SrcHook       = "hook"       // an edge: it just happened
	SrcStatusFile = "statusfile" // a level: Time is when it became so
	SrcTranscript = "transcript" // a proof: it became part of the conversation
)
