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
// more than once; an adapter keeps nothing in memory between calls. docs/adapters.md shows how to write one. Each
// adapter must pass the suite in agenttest.
type Adapter interface {
	// Facts returns what is fixed for the kind.
	Facts() Facts
	// Check reports whether a launch would work, before a task is accepted and for the doctor. A fault.Conflict or
	// fault.Usage names what is missing; its hint is the one command to run. Check changes nothing and may take a second.
	Check(ctx context.Context, p Preflight) error
	// Plan returns how to start a generation. It may read files and writes none: the caller writes Plan.Files.
	Plan(l Launch) (Plan, error)
	// Sources returns the files besides the status file in which a running agent reports about itself, with the
	// parser of each. pid is the agent's process, 0 while it is not known. If it returns none, it is called again after
	// each record that names a transcript.
	Sources(l Launch, pid int) []status.Source
	// Hook handles a call of `muster hook KIND EVENT`, which Plan registered with the agent. It reads the agent's
	// payload, writes records and replies. It returns the exit status of the hook. It never makes the agent fail.
	Hook(ctx context.Context, h HookCall) int
	// Resumable reports whether the conversation can be continued. If not, it starts again with the prompt.
	Resumable(l Launch) bool
	Channel
}

// Channel delivers messages and answers to a running agent. Embed Mailbox for an agent whose hooks read the mailbox,
// and NoChannel for one that takes no input while it runs.
type Channel interface {
	// Typed returns the texts that tell a running agent a message as its user would. They are pasted one after
	// another and followed by Enter. The first begins with the message's tag.
	Typed(m mail.Message) []string
	// Posture returns whether the agent accepts keyboard input at this moment. pid is its process, screen is the
	// content of its pane, and texts are what was pasted into it.
	Posture(l Launch, pid int, screen string, texts []string) Posture
	// Post hands a message to the running generation. A second call with the same message changes nothing. Post is
	// called for event.DoorMailbox, and for nudges if event.Traits.Aside is set. With event.DoorPaste the fleet
	// pastes other messages; with event.DoorRespawn they wait for the next generation.
	Post(l Launch, m mail.Message) error
	// Answer hands over the answer to an open request. It may be called again with the same answer.
	Answer(l Launch, a mail.Answer) error
	// Delivered searches the agent's own record for a message whose acknowledgement is missing.
	Delivered(l Launch, m event.MessageID) (Delivery, error)
}

// Facts are the properties of a kind of agent.
type Facts struct {
	Kind      string       // the name in configuration and specs, such as "command"
	Traits    event.Traits // what the life of a task depends on; frozen at dispatch
	Interrupt Interrupt    // how a running turn is interrupted
	End       End          // how the process is ended
	// Variables are the environment variables that select the account or set-up of the agent. They are not passed to
	// agents unless env_from names them. A name that ends in * is a prefix.
	Variables []string
	// Home is the variable that moves the agent's whole configuration to another directory. A fenced agent gets one of its
	// own there. "" is a kind without configuration.
	Home string
	// OwnHome is set for a kind that has that directory of its own without a fence, too: nothing but files in it adds hooks to
	// one process. Its files are written again at each start.
	OwnHome bool
	// Configures lists the files of a repository that configure agents of the kind: a base name at any depth, or a directory, which
	// ends in a slash. Who changes one of them changes what a later agent does.
	Configures []string
}

// Bypasser is an adapter whose agent can be told to ask for no permission.
type Bypasser interface {
	// Bypasses reports whether the agent of a spec would do everything without asking.
	Bypasses(s event.Spec) bool
}

// Moder is an adapter whose agent reports its permission mode.
type Moder interface {
	// Mode returns the mode that the agent of a spec is told to have, in the words of its records; "" if it is told none.
	Mode(s event.Spec) string
}

// Credentialer is an adapter whose agent keeps its login in a file.
type Credentialer interface {
	// Credential returns the path of that file for an environment. It may be missing.
	Credential(env []string) string
}

// Seeder is an adapter whose agent needs files in its configuration directory before its first start.
type Seeder interface {
	// Seed returns the files of an agent's own configuration directory, of a fenced one or one of Facts.OwnHome, by paths in it. l.Env has Facts.Home set to
	// that directory; user is the environment without it, by which the user's own configuration is found.
	Seed(l Launch, user []string) ([]File, error)
}

// Preflight is a task that may be launched later.
type Preflight struct {
	Spec event.Spec
	Env  []string // NAME=VALUE: the variables of the fleet's environment that the allow-list or Spec.EnvFrom names
	Home home.Dir
	// Prompt is the prompt of the task; "" if it is not known yet, as for the doctor. Check may refuse a prompt only
	// for its length: if a prompt is accepted, every shorter one is.
	Prompt string
	// Base returns files of the tree that a new worktree begins with: those at the paths and below them, by path. It is nil
	// if that tree is not known, as for the doctor.
	Base func(ctx context.Context, paths ...string) (map[string][]byte, error)
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
	Resume       bool     // resume the conversation instead of starting it
	GoOn         string   // the prompt of a resumed conversation
	// Messages are appended to the prompt or to GoOn, see WithMessages.
	Messages []mail.Message
	Preamble string // from Preamble
	Granted  string // event.Ask.Hash of the request that a person allowed after the previous generation was gone; "" if none
	// Base returns files of the commit that the task began with: those at the paths and below them, by path. Unlike the
	// worktree, no agent can change it. A link to a file has that file's content, and one to a directory of the tree has "-> " and the
	// directory's path. It is nil where no generation is about to start.
	Base func(paths ...string) (map[string][]byte, error)
}

// Dirs returns where the generation has its files.
func (l Launch) Dirs() home.Gen { return l.Home.Gen(l.Task, l.Gen) }

// Box is the mailbox of the generation, as the supervisor uses it.
func (l Launch) Box() mail.Box { return mail.Of(l.Dirs()) }

// Plan describes how a generation starts.
type Plan struct {
	Argv  []string // the program is an absolute path, or relative to the worktree
	Env   []string // NAME=VALUE, in addition to Launch.Env, which they override
	Files []File
	// Shell is the tighter fence for what the agent runs for its model; nil if this kind of agent cannot put a program before
	// its commands. It is used for fenced tasks only, where a fence can be put inside of another one.
	Shell *Shell
}

// Shell is a program that a fenced agent starts with one argument for each command: a command line. The command then cannot
// reach the agent's own configuration directory.
type Shell struct {
	Path    string   // of the program, relative to home.Gen.RO; the caller writes it
	Program string   // the shell that runs the command line; an absolute path
	Drop    []string // names of variables that a command does not get
	Read    []string // paths in the configuration directory that a command may read
}

// File is a file that is written into the generation's directory before it starts. The agent's side can read it.
type File struct {
	Path string // relative to home.Gen.RO
	Data []byte
	Mode fs.FileMode
}

// HookCall is one call of a hook by an agent. Any of its fields may be missing or wrong.
type HookCall struct {
	Event  string // the argument after the kind
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Getenv func(string) string
	PPID   int // the calling process, as of the start of the hook
}

// Delivery is the state of a message that was handed over.
type Delivery string

// The deliveries.
const (
	DeliveryAcknowledged Delivery = "acknowledged" // it is part of the conversation
	DeliveryEnqueued     Delivery = "enqueued"     // the agent has it in memory; it is lost if the process ends
	DeliveryAbsent       Delivery = "absent"       // the agent's own record does not have it
	DeliveryUnknown      Delivery = "unknown"      // this kind of agent keeps no record
)

// Posture is whether an agent accepts keyboard input.
type Posture string

// The postures.
const (
	PostureUnknown Posture = ""       // the screen of this kind of agent does not show it
	PostureReady   Posture = "ready"  // it waits for input, and its input is empty
	PostureBusy    Posture = "busy"   // a turn runs, or something else takes the keys
	PostureDialog  Posture = "dialog" // a dialog is open: Enter would answer it
	PostureTyped   Posture = "typed"  // its input has all of the pasted texts, and Enter sends them
	PostureStale   Posture = "stale"  // its input has an earlier text of muster, which an interrupt put back
	PostureDraft   Posture = "draft"  // its input has another text that was not sent
)

// Interrupt describes how to interrupt a turn: by keys, or by a signal to the process.
type Interrupt struct {
	Keys   []string       // names of keys for tmux; empty if Signal is set
	Signal syscall.Signal // 0 if Keys is set
	Menu   []string       // the keys that close the menu of a usage limit; those of Keys if it is empty
}

// End describes how to end a process: by Signal, and by SIGKILL if it still runs after Grace.
type End struct {
	Signal syscall.Signal
	Grace  time.Duration
}
