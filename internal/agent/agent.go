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

// Adapter is one kind of agent. Its methods may be called at any time by any goroutine or process, in any order and
// more than once; an adapter keeps nothing in memory between calls. docs/adapters.md shows how to write one, and
// agenttest is the suite that each of them passes.
type Adapter interface {
	// Facts returns what is fixed for the kind.
	Facts() Facts
	// Check reports whether a launch would work, before a task is accepted and for the doctor. A fault.Conflict or
	// fault.Usage names what is missing; its hint is the one command to run. Check changes nothing and may take a second.
	Check(ctx context.Context, p Preflight) error
	// Plan returns how to start a generation. It may read files and writes none: the caller writes Plan.Files.
	Plan(l Launch) (Plan, error)
	// Sources returns the files besides the status file in which a running agent reports about itself, with the
	// parser of each. pid is the agent's process, 0 while it is not known.
	Sources(l Launch, pid int) []status.Source
	// Hook is the other end of what Plan registered with the agent, `muster hook KIND EVENT`. It reads the agent's
	// payload, writes records and answers. It returns the exit status of the hook, and never makes the agent fail.
	Hook(ctx context.Context, h HookCall) int
	// Resumable reports whether the conversation can be continued. If not, it starts again with the prompt.
	Resumable(l Launch) bool
	Channel
}

// Channel is how words reach a running agent. Embed Mailbox for an agent whose hooks read the mailbox, and NoChannel
// for one that takes nothing while it runs.
type Channel interface {
	// Typed returns the texts that are pasted one after another, with Enter behind them, to tell a running agent a message
	// as its user would. The first begins with the message's tag.
	Typed(m mail.Message) []string
	// Posture returns whether the agent takes what is typed at this moment. pid is its process, screen what stands on its
	// pane, and texts are what was pasted into it.
	Posture(l Launch, pid int, screen string, texts []string) Posture
	// Post hands a message to the running generation. Posting it again changes nothing. It is called for
	// event.DoorMailbox, and for nudges where event.Traits.Aside is set: else the fleet pastes for DoorPaste, and DoorRespawn gets messages with the next generation.
	Post(l Launch, m mail.Message) error
	// Answer hands over the answer to an open request. The same answer again is not an error.
	Answer(l Launch, a mail.Answer) error
	// Delivered looks for a message whose acknowledgement was not seen, in what the agent itself has written.
	Delivered(l Launch, m event.MessageID) (Delivery, error)
}

// Facts are what is fixed for a kind of agent.
type Facts struct {
	Kind      string       // the name in configuration and specs, such as "command"
	Traits    event.Traits // what the life of a task depends on; frozen at dispatch
	Interrupt Interrupt    // how a running turn is interrupted
	End       End          // how the process is ended
	// Variables are those of a person's environment that change which account or set-up the agent uses, and that are not
	// handed to agents unless env_from names them. A name that ends in * stands for all that begin so.
	Variables []string
}

// Preflight is a task that may be launched later.
type Preflight struct {
	Spec event.Spec
	Env  []string // NAME=VALUE: the allow-list from the fleet's environment and what Spec.EnvFrom names, where set
	Home home.Dir
	// Prompt is what the task will be told; "" where it is not known yet, as for the doctor. Check may refuse one for its
	// length only: where a prompt will do, a shorter one does.
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
	// Messages go with the prompt or with GoOn, see WithMessages.
	Messages []mail.Message
	Preamble string // from Preamble
	Granted  string // event.Ask.Hash of the request that a person allowed after the previous generation had gone; "" if none
}

// Box is the mailbox of the generation.
func (l Launch) Box() mail.Box { return mail.Box{Dir: l.Home.GenDir(l.Task, l.Gen)} }

// Plan is how a generation starts.
type Plan struct {
	Argv  []string // the program is an absolute path, or relative to the worktree
	Env   []string // NAME=VALUE, in addition to Launch.Env and winning over it
	Files []File
}

// File is a file that is written into the generation's directory before it starts.
type File struct {
	Path string // relative to home.Dir.GenDir
	Data []byte
	Mode fs.FileMode
}

// HookCall is one call of a hook by an agent. Any of its fields may be missing or wrong.
type HookCall struct {
	Event  string // the word behind the kind
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Getenv func(string) string
	PPID   int // the process that called, as it was at the start
}

// Delivery is where a message is that was handed over.
type Delivery string

// The deliveries.
const (
	DeliveryAcknowledged Delivery = "acknowledged" // it is part of the conversation
	DeliveryEnqueued     Delivery = "enqueued"     // the agent holds it in memory: lost if the process is gone
	DeliveryAbsent       Delivery = "absent"       // the agent's own record does not have it
	DeliveryUnknown      Delivery = "unknown"      // this kind of agent keeps no record to look at
)

// Posture is whether an agent takes what is typed.
type Posture string

// The postures.
const (
	PostureUnknown Posture = ""       // this kind of agent shows it by its records alone
	PostureReady   Posture = "ready"  // it waits for input, and nothing stands in it
	PostureBusy    Posture = "busy"   // a turn runs, or something holds the keyboard
	PostureDialog  Posture = "dialog" // a dialog is open: Enter would answer it
	PostureTyped   Posture = "typed"  // what was pasted stands in its input, all of it: Enter sends it
	PostureStale   Posture = "stale"  // an earlier text of muster's own stands in its input, put back there by an interrupt
	PostureDraft   Posture = "draft"  // something else that was not sent stands in its input
)

// Interrupt is how a turn is interrupted: by keys, or by a signal to the process.
type Interrupt struct {
	Keys   []string       // names of keys for tmux; empty if Signal is set
	Signal syscall.Signal // 0 if Keys is set
}

// End is how a process is ended: by Signal, and by SIGKILL if it still lives after Grace.
type End struct {
	Signal syscall.Signal
	Grace  time.Duration
}

// The writers of records, for Record.Src.
const (
	SrcHook       = "hook"       // an event: it has just happened
	SrcStatusFile = "statusfile" // a state: Time is when it began
	SrcTranscript = "transcript" // a proof: it became part of the conversation
)
