package fleet

import (
	"context"
	"errors"
	"iter"
	"time"

	"muster/internal/event"
	"muster/internal/life"
)

// Log is the event log with its projections.
type Log interface {
	// Update runs fn in one write transaction: either all of its events are committed, or none.
	Update(ctx context.Context, durable bool, fn func(Tx) error) error
	// Live returns the committed states of the tasks that need a supervisor.
	Live(ctx context.Context) ([]life.Task, error)
	// Task returns the committed state of a task.
	Task(ctx context.Context, id event.TaskID) (life.Task, bool, error)
	// Queues returns the committed states of the merge queues, and Queue that of one; its zero value, with the id, if it
	// has no events.
	Queues(ctx context.Context) ([]life.Queue, error)
	Queue(ctx context.Context, id event.QueueID) (life.Queue, error)
	Prompt(ctx context.Context, id event.TaskID) (string, error)
	MessageText(ctx context.Context, id event.TaskID, m event.MessageID) (string, error)
}

// Tx is one transaction of the log.
type Tx interface {
	// Foreign returns the events of other processes since the last Update, already folded, except for dispatched
	// tasks.
	Foreign() []event.Event
	// Births reports whether other processes dispatched tasks since the last Update.
	Births() bool
	AppendTo(of event.Subject, gen int, p event.Payload) (event.Event, error)
	// NewTaskID returns a new id for a task to be dispatched. An id is never used twice.
	NewTaskID() event.TaskID
	Task(id event.TaskID) (life.Task, bool, error)
	// Account returns the fold of an account. Its zero value, with the id, is returned if it has no events.
	Account(id event.AccountID) (life.Account, bool, error)
	// Accounts returns all accounts that have events, by name.
	Accounts() ([]life.Account, error)
	// Queue returns the fold of a merge queue. Its zero value, with the id, is returned if it has no events.
	Queue(id event.QueueID) (life.Queue, error)
	// Queues returns all merge queues that have events, by name.
	Queues() ([]life.Queue, error)
	// EachLive iterates over the tasks that need a supervisor, in the order of their ids. Tasks that only wait for a
	// slot or for a deadline are left out. A task is valid until the next one.
	EachLive() iter.Seq[*life.Task]
	// Line iterates over the tasks that wait for a slot, in the order of their start.
	Line() iter.Seq[*life.Task]
	// Unsettled returns up to n tasks whose dependencies may be settled.
	Unsettled(n int) ([]life.Task, error)
	// Timed returns the ids of the tasks that have a deadline.
	Timed() []event.TaskID
	Due(now time.Time) []Due
	NextDue() (time.Time, bool)
	// SetOffset records how far a file was read, in the transaction that takes its records.
	SetOffset(source string, offset int64)
}

// Due is a deadline that has passed.
type Due struct {
	event.Subject
	Name event.DeadlineName
}

// Pane is one of muster's panes in the terminal multiplexer.
type Pane struct {
	ID      string
	PID     int
	Dead    bool
	InMode  bool
	Session string
	Task    event.TaskID
	Gen     int
	Role    string // RoleAgent or RoleCheck
	Pasted  string // the beginning of the text that was pasted last; "" if there is none. The paste itself sets it
}

// Windows of a task's session.
const (
	RoleAgent = "agent"
	RoleCheck = "check"
)

// Window is a pane to be opened.
type Window struct {
	Session string
	Role    string
	Dir     string
	Argv    []string
	Task    event.TaskID
	Gen     int
	// Record is a command that gets what the pane shows; nil is none. Without it the program runs all the same.
	Record []string
}

// Errors of a terminal about a pane that cannot be used.
var (
	ErrNoPane  = errors.New("the pane is gone")
	ErrInMode  = errors.New("the pane is in copy mode")
	ErrDead    = errors.New("the pane's process is gone")
	ErrNoWorld = errors.New("the terminal server does not answer")
)

// Terminal is the multiplexer in which agents run.
type Terminal interface {
	// Open starts a program in a window of a session. It replaces a program of that window that has ended.
	Open(ctx context.Context, w Window) (Pane, error)
	Panes(ctx context.Context) ([]Pane, error)
	ExitStatus(ctx context.Context, pane string) (exit, signal int, known bool, err error)
	// Screen returns the text on the pane. It is evidence for people, never a verdict.
	Screen(ctx context.Context, pane string) (string, error)
	// Styled returns the same text with the escape sequences of colours and attributes, which distinguish a hint in
	// an empty input from typed text.
	Styled(ctx context.Context, pane string) (string, error)
	// Paste pastes texts into the pane's program, each as a paste of its own, all at once.
	Paste(ctx context.Context, pane string, texts ...string) error
	Keys(ctx context.Context, pane string, keys ...string) error
	// Close ends a session. A missing session is not an error.
	Close(ctx context.Context, session string) error
}

// Worktrees provides the worktrees of tasks, and the private refs that keep their content.
type Worktrees interface {
	Prepare(ctx context.Context, t life.Task) (event.WorktreeReady, error)
	// There reports whether the directory of the task's worktree exists.
	There(t life.Task) bool
	// Baseline records the worktree as the agent finds it: changes by the setup are not the agent's.
	Baseline(ctx context.Context, t life.Task) error
	// Snapshot records everything that is not ignored under a private ref.
	Snapshot(ctx context.Context, t life.Task, round int) (Snapshot, error)
	// Tree returns the tree that a snapshot would have now.
	Tree(ctx context.Context, t life.Task) (string, error)
	// Keep keeps everything in the worktree under a ref. It returns "" if the published commit holds all of it.
	Keep(ctx context.Context, t life.Task) (ref string, err error)
	Restore(ctx context.Context, t life.Task, ref string) error
	// WatchStash keeps and returns the entries of the repository's stash that vanished since the last call for the
	// task.
	WatchStash(ctx context.Context, t life.Task) ([]event.StashKept, error)
	// Remove removes the worktree. Unpublished work is kept first.
	Remove(ctx context.Context, t life.Task) error
	// SetAside moves the worktree's files to another directory, if they can neither be kept nor removed. It returns
	// where they are; "" if there are none.
	SetAside(ctx context.Context, t life.Task) (string, error)
}

// Shipper publishes work that passed its checks.
type Shipper interface {
	// Publish publishes exactly the judged tree in the task's publish mode. It returns ErrMoved if the worktree has
	// another tree now.
	Publish(ctx context.Context, t life.Task, tree string) (event.WorkPublished, error)
}

// Merger merges the work of tasks into their base branch. t is a task of the queue, in whose repository it works.
type Merger interface {
	// Build merges work onto the base. It changes no branch and no checkout.
	Build(ctx context.Context, t life.Task, args event.BuildArgs) (event.MergeBuilt, error)
	// Scratch makes a worktree of the queue's own that has exactly a commit, and returns its path. If it is in use, it is
	// left as it is.
	Scratch(ctx context.Context, t life.Task, id event.QueueID, commit string, inUse bool) (path string, err error)
	// ScratchTree returns the tree of everything in it that is not ignored.
	ScratchTree(ctx context.Context, t life.Task, path string) (string, error)
	// Land makes the base lead to a commit, together with a checkout of it that has no changes. It returns ErrMoved if
	// the base is elsewhere by now, and ErrCheckout if a checkout is in use. Nothing was changed then.
	Land(ctx context.Context, t life.Task, id event.QueueID, args event.LandArgs) error
}

// Changes opens changes (pull requests) on a forge, and follows them.
type Changes interface {
	// Open returns pushed work with the address of its change. It finds an open one, or opens one. It returns ErrRemote while
	// the forge cannot be used.
	Open(ctx context.Context, t life.Task, p event.WorkPublished) (event.WorkPublished, error)
	// News are what forges show about work in review. The same may come any number of times.
	News() <-chan News
}

// News is what a forge shows about one task in review.
type News struct {
	Task   event.TaskID
	Review life.Reviewed
}

// Errors of a Shipper and of Changes.
var (
	// ErrMoved means that the work differs from what was judged.
	ErrMoved = errors.New("the work changed after its verdict")
	// ErrRemote means that the remote cannot be used now, because of the network or of the login there. That may end.
	ErrRemote = errors.New("the remote cannot be used now")
)

// Snapshot is the state of a worktree.
type Snapshot struct {
	Commit, Tree string
	Changed      bool   // the agent changed something
	Obstacle     string // why it can't be published as it is, and what the agent can do; "" if it can
	Findings     []event.Finding
	Skipped      []string // checks that the round leaves out
	Size         int      // lines that the work adds and removes; only for a task that races
}

// Order describes a generation to prepare.
type Order struct {
	Task     life.Task
	Gen      int
	Prompt   string
	Messages []Text
	Action   event.ActionID // the action that starts it
	Resume   bool           // resume the conversation
}

// Text is a message with its text.
type Text struct {
	ID   event.MessageID
	Text string
}

// Trace is the place where a message was found.
type Trace string

// The values of Trace.
const (
	TraceArrived Trace = "arrived" // the agent has it
	TraceWaiting Trace = "waiting" // it is in the mailbox, or in the agent's own queue
	TraceNone    Trace = "none"    // it was not found
)

// EndPolicy describes how to end the turn and the process of a kind of agent.
type EndPolicy struct {
	InterruptKeys   []string      // pressed in its pane
	MenuKeys        []string      // pressed in its pane to close the menu of a usage limit
	InterruptSignal int           // sent to its process if there are no keys
	Grace           time.Duration // from the first signal to SIGKILL
}

// Launcher prepares the generations of agents and cleans up after them.
type Launcher interface {
	// Ready writes the files of the generation and returns the path of its launch spec.
	// facts are events about the generation that come true when the spec is launched.
	Ready(ctx context.Context, o Order) (spec string, facts []event.Payload, err error)
	// Facts returns the facts that Ready returned last for a generation. A supervisor asks for them that finds the
	// generation launched and has no record of it.
	Facts(t life.Task, gen int) ([]event.Payload, error)
	// Retire is called when the generation's end is recorded.
	Retire(ctx context.Context, t life.Task, gen int) error
	EndPolicy(t life.Task) EndPolicy
	// Recorder returns the command that records what the terminal of a generation shows; nil if nothing is recorded.
	Recorder(t life.Task, gen int) []string
	// Credential returns a fingerprint of the file in which the agent of the task keeps its login; "" if there is none.
	Credential(t life.Task) string
}

// Posture is whether an agent accepts keyboard input.
type Posture string

// The postures.
const (
	PostureUnknown Posture = ""       // only its records show its state
	PostureReady   Posture = "ready"  // it waits for input, and its input is empty
	PostureBusy    Posture = "busy"   // a turn runs, or something else takes the keys
	PostureDialog  Posture = "dialog" // a dialog is open: Enter would answer it
	PostureTyped   Posture = "typed"  // its input has all of the pasted texts, and Enter sends them
	PostureStale   Posture = "stale"  // its input has an earlier text of muster, which an interrupt put back
	PostureDraft   Posture = "draft"  // its input has another text that was not sent
)

// Channel delivers messages and answers to running agents.
type Channel interface {
	// Typed returns the texts to paste one after another for a message. The first begins with its tag.
	Typed(t life.Task, m Text) []string
	// Posture returns whether the running agent accepts keyboard input now. screen is the content of its pane, and
	// texts were pasted into it.
	Posture(ctx context.Context, t life.Task, screen string, texts []string) (Posture, error)
	// Post hands a message to the newest generation. A second call changes nothing.
	Post(ctx context.Context, t life.Task, m Text) error
	// Confirm searches for a message that was posted to a generation.
	Confirm(ctx context.Context, t life.Task, gen int, m event.MessageID) (Trace, error)
	Answer(ctx context.Context, t life.Task, id event.ActionID, args event.AnswerArgs) error
}

// Job is a list of commands to run in a worktree. It may outlive the supervisor.
type Job struct {
	Task   life.Task
	Name   string
	For    event.ActionKind // the kind of the action that it belongs to
	Action event.ActionID
	Steps  []event.Check
}

// JobState is the state of a job. Finished and Running are about the process of the newest event.JobStarted of the
// task with the job's name. What any other process says or leaves does not count.
type JobState struct {
	Finished bool
	Running  bool
	Starts   int // how often it was started
	// False is the reason why a result that was found does not count; "" if none was found. It was set aside.
	False   string
	Results []event.CheckResult
	Error   string // why not all commands could run; the work has no verdict then
	Scarce  bool   // the reason was a shortage
}

// Errors of a runner that was not met.
var (
	ErrRunnerGone  = errors.New("the runner ended before it began")
	ErrRunnerOther = errors.New("the process runs something else")
)

// Jobs runs checks and the setup.
type Jobs interface {
	State(ctx context.Context, j Job) (JobState, error)
	// Meet waits until the process p introduces itself as the runner of the job. Of the result, it sets the fields that
	// the runner knows, and the environment of its commands. It returns ErrRunnerGone if the process ended, and ErrRunnerOther if it is about to run
	// anything but exactly this job.
	Meet(ctx context.Context, j Job, p event.ProcessRef) (event.JobStarted, error)
	// Begin lets the runner of a recorded job start its steps. A second call has no effect.
	Begin(ctx context.Context, j Job, run event.JobStarted) error
	// Environment names the environment that the commands of a task have now: two names are equal only if all variables, the
	// fence and the programs are. It is a keyed digest, which the log may have.
	Environment(ctx context.Context, t life.Task) (string, error)
	// Ready writes the job's spec, counts the start and returns the spec's path.
	Ready(ctx context.Context, j Job) (spec string, err error)
	// Unready deletes the last start and its result, because of a shortage.
	Unready(ctx context.Context, j Job) error
	// Note stores a small value for the job, and Noted returns it.
	Note(ctx context.Context, j Job, value any) error
	Noted(ctx context.Context, j Job, value any) (bool, error)
}

// Batch is new content of a watched file.
type Batch struct {
	Task    event.TaskID
	Gen     int
	Source  string // name of the file
	Key     string // key of its offset
	Offset  int64
	Records []event.Record
	Asks    map[string]*event.Ask // complete requests of waiting agents, by id
	Refused []string
	Grew    bool // the file grew, even if only by lines without a state
	// Size is the size of a file of status records in bytes; 0 for the agents' own files.
	Size int64
}

// Records provides the status files, and the files that agents write about themselves.
type Records interface {
	// Follow watches the files of the task's newest generation, from the offsets in the log.
	Follow(t life.Task)
	// Flush returns after the present content of a generation's files was taken from Batches.
	Flush(ctx context.Context, id event.TaskID, gen int)
	// Forget stops watching the files of a generation.
	Forget(id event.TaskID, gen int)
	// Follows reports whether the files of a generation are watched.
	Follows(id event.TaskID, gen int) bool
	// OpenTool returns the tool call of the newest generation that has begun and not ended; "" if there is none.
	OpenTool(ctx context.Context, t life.Task) (string, error)
	Batches() <-chan Batch
	Wake() <-chan struct{}
}

// Death is the end of a watched process.
type Death struct {
	Token        any
	Exit, Signal int
	Known        bool
}

// Processes provides the processes of the machine.
type Processes interface {
	// Identify returns an identity of the process that is never reused; false if it is gone.
	Identify(pid int) (event.ProcessRef, bool)
	// Stopped reports whether the process was stopped by a signal.
	Stopped(p event.ProcessRef) bool
	// Watch reports the end of the process, at once if it is gone.
	Watch(p event.ProcessRef, token any)
	Deaths() <-chan Death
	// End ends everything that a task started, with SIGTERM first. It returns an error if something is left.
	End(ctx context.Context, t life.Task, grace time.Duration) error
	// EndJob ends the job of a task with all its processes, even if it waits for a slot. It leaves no result. runner
	// is the process in the task's check window; zero if there is none.
	EndJob(ctx context.Context, id event.TaskID, runner event.ProcessRef, grace time.Duration) error
	// Holder returns the process that holds the task's alive lock.
	Holder(id event.TaskID) (pid int, held bool)
	Signal(p event.ProcessRef, signal int) error
}

// Admission is one source of admission control, such as the machine's memory and disk.
type Admission interface {
	// Closed returns why nothing new may start now, as a text for people; "" if it may.
	Closed() string
}
