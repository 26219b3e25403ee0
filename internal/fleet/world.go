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
	// Update runs fn in one write transaction; all that fn appends is committed, or nothing.
	Update(ctx context.Context, durable bool, fn func(Tx) error) error
	// Live are the committed states of the tasks that a supervisor has to look after.
	Live(ctx context.Context) ([]life.Task, error)
	// Task is the committed state of a task.
	Task(ctx context.Context, id event.TaskID) (life.Task, bool, error)
	Prompt(ctx context.Context, id event.TaskID) (string, error)
	MessageText(ctx context.Context, id event.TaskID, m event.MessageID) (string, error)
}

// Tx is one transaction of the log.
type Tx interface {
	// Foreign returns the events of other processes since the last Update, already folded, but for dispatched tasks.
	Foreign() []event.Event
	// Births reports whether other processes dispatched tasks since the last Update.
	Births() bool
	AppendTo(of event.Subject, gen int, p event.Payload) (event.Event, error)
	Task(id event.TaskID) (life.Task, bool, error)
	// Account is the fold of an account; its zero value, but for the id, if nothing has happened to it.
	Account(id event.AccountID) (life.Account, bool, error)
	// EachLive iterates over the tasks that a supervisor has to look after, in the order of their ids. Tasks that only wait
	// for their turn or for a deadline are left out. A task is valid until the next one.
	EachLive() iter.Seq[*life.Task]
	// Line iterates over the tasks that wait for a slot, the first to start first.
	Line() iter.Seq[*life.Task]
	// Unsettled returns up to n tasks whose dependencies may be settled.
	Unsettled(n int) ([]life.Task, error)
	// Timed returns the ids of the tasks that have a deadline.
	Timed() []event.TaskID
	Due(now time.Time) []Due
	NextDue() (time.Time, bool)
	// SetOffset notes how far a tailed file was read: in the transaction that took its records.
	SetOffset(source string, offset int64)
}

// Due is a deadline that has passed.
type Due struct {
	event.Subject
	Name event.DeadlineName
}

// Pane is one of our panes in the terminal multiplexer.
type Pane struct {
	ID      string
	PID     int
	Dead    bool
	InMode  bool
	Session string
	Task    event.TaskID
	Gen     int
	Role    string // RoleAgent or RoleCheck
	Pasted  string // how the text begins that was pasted last; "" if none was. It changes in the same breath
}

// The windows of a task's session.
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
}

// What a terminal says of a pane that cannot be used.
var (
	ErrNoPane  = errors.New("the pane is gone")
	ErrInMode  = errors.New("the pane is in copy mode")
	ErrDead    = errors.New("the pane's process is gone")
	ErrNoWorld = errors.New("the terminal server does not answer")
)

// Terminal is the multiplexer that agents live in.
type Terminal interface {
	// Open starts a program in the window of a session; an ended program of that window is replaced.
	Open(ctx context.Context, w Window) (Pane, error)
	Panes(ctx context.Context) ([]Pane, error)
	ExitStatus(ctx context.Context, pane string) (exit, signal int, known bool, err error)
	// Screen is what stands on the pane now: evidence for people, never a verdict.
	Screen(ctx context.Context, pane string) (string, error)
	// Styled is the same with the escape sequences of colours and attributes: they tell what a program shows in an empty
	// input from what was typed into it.
	Styled(ctx context.Context, pane string) (string, error)
	// Paste puts texts into the pane's program, each as a paste of its own, all in one breath.
	Paste(ctx context.Context, pane string, texts ...string) error
	Keys(ctx context.Context, pane string, keys ...string) error
	// Close ends a session; a session that is gone is fine.
	Close(ctx context.Context, session string) error
}

// Worktrees are the worktrees of tasks, and the private refs that keep what lies in them.
type Worktrees interface {
	Prepare(ctx context.Context, t life.Task) (event.WorktreeReady, error)
	// Baseline notes the worktree as the agent finds it: what setup left there is no change of the agent's.
	Baseline(ctx context.Context, t life.Task) error
	// Snapshot keeps everything that is not ignored under a private ref.
	Snapshot(ctx context.Context, t life.Task, round int) (Snapshot, error)
	// Tree is what a snapshot would hold now.
	Tree(ctx context.Context, t life.Task) (string, error)
	// Keep keeps everything in the worktree under a ref; "" if its published commit holds all of it.
	Keep(ctx context.Context, t life.Task) (ref string, err error)
	Restore(ctx context.Context, t life.Task, ref string) error
	// WatchStash returns which entries of the repository's stash have vanished since the last call for the task. They are kept.
	WatchStash(ctx context.Context, t life.Task) ([]event.StashKept, error)
	// Remove removes the worktree; what is not published is kept first.
	Remove(ctx context.Context, t life.Task) error
	// SetAside moves the worktree's files to where they are in nobody's way, for when they can neither be kept nor removed.
	// It returns where they are; "" if there are none.
	SetAside(ctx context.Context, t life.Task) (string, error)
}

// Shipper brings work that passed its checks to where people take it up.
type Shipper interface {
	// Publish puts exactly the tree with the verdict where the task's publish mode says. It returns ErrMoved if the
	// worktree holds another one by now.
	Publish(ctx context.Context, t life.Task, tree string) (event.WorkPublished, error)
}

// ErrMoved says that the work is no longer what was judged.
var ErrMoved = errors.New("the work changed after its verdict")

// Snapshot is the state of a worktree.
type Snapshot struct {
	Commit, Tree string
	Changed      bool   // there is a change of the agent's own
	Obstacle     string // why it can't be published as it is, and what the agent can do; "" if it can
}

// Order is one generation to be made ready.
type Order struct {
	Task     life.Task
	Gen      int
	Prompt   string
	Messages []Text
	Action   event.ActionID // that starts it
	Resume   bool           // the conversation is taken up again
}

// Text is a message with its words.
type Text struct {
	ID   event.MessageID
	Text string
}

// Trace is where a message was found.
type Trace string

// The traces.
const (
	TraceArrived Trace = "arrived" // the agent has it
	TraceWaiting Trace = "waiting" // it lies in the mailbox, or in the agent's own queue
	TraceNone    Trace = "none"    // no sign of it
)

// EndPolicy is how the turn and the process of a kind of agent are ended.
type EndPolicy struct {
	InterruptKeys   []string      // pressed in its pane
	InterruptSignal int           // sent to its process if there are no keys
	Grace           time.Duration // between the polite signal and the last one
}

// Launcher prepares the generations of agents and puts them away.
type Launcher interface {
	// Ready writes all that the generation needs and returns the path of its launch spec.
	Ready(ctx context.Context, o Order) (spec string, err error)
	// Retire is called when the generation's end is recorded.
	Retire(ctx context.Context, t life.Task, gen int) error
	EndPolicy(t life.Task) EndPolicy
}

// Posture is whether an agent takes what is typed.
type Posture string

// The postures.
const (
	PostureUnknown Posture = ""       // its records alone say what it does
	PostureReady   Posture = "ready"  // it waits for input, and nothing stands in it
	PostureBusy    Posture = "busy"   // a turn runs, or something holds the keyboard
	PostureDialog  Posture = "dialog" // a dialog is open: Enter would answer it
	PostureTyped   Posture = "typed"  // what was pasted stands in its input, all of it: Enter sends it
	PostureStale   Posture = "stale"  // an earlier text of muster's own stands in its input, put back there by an interrupt
	PostureDraft   Posture = "draft"  // something else that was not sent stands in its input
)

// Channel is how words reach a running agent.
type Channel interface {
	// Typed returns the texts that are pasted one after another to type a message; the first begins with its tag.
	Typed(t life.Task, m Text) []string
	// Posture says whether the running agent takes what is typed at this moment. screen is what stands on its pane, and
	// texts were pasted into it.
	Posture(ctx context.Context, t life.Task, screen string, texts []string) (Posture, error)
	// Post hands a message to the newest generation; posting it again changes nothing.
	Post(ctx context.Context, t life.Task, m Text) error
	// Confirm looks for a message that was posted to a generation.
	Confirm(ctx context.Context, t life.Task, gen int, m event.MessageID) (Trace, error)
	Answer(ctx context.Context, t life.Task, id event.ActionID, args event.AnswerArgs) error
}

// Job is a list of commands to be run in a worktree, outlasting the supervisor.
type Job struct {
	Task  life.Task
	Name  string
	For   event.ActionKind // the action that it is a part of
	Steps []event.Check
}

// JobState is where a job stands.
type JobState struct {
	Finished bool
	Running  int  // pid of the process that runs it, 0 if none does
	Waiting  bool // that process waits for a check slot: it uses nothing of the machine yet
	Starts   int  // how often it was begun
	Results  []event.CheckResult
	Error    string // why not all could be run; then nothing is known of the work
	Scarce   bool   // it was for something that the machine lacked
}

// Jobs runs checks and the setup.
type Jobs interface {
	State(ctx context.Context, j Job) (JobState, error)
	// Ready writes the job's spec, counts the start and returns the spec's path.
	Ready(ctx context.Context, j Job) (spec string, err error)
	// Unready forgets the last start and its result: the machine lacked something.
	Unready(ctx context.Context, j Job) error
	// Note keeps a small value beside the job, and Noted gives it back: what was found out before it began.
	Note(ctx context.Context, j Job, value any) error
	Noted(ctx context.Context, j Job, value any) (bool, error)
}

// Batch is what a watched file had to say.
type Batch struct {
	Task    event.TaskID
	Gen     int
	Source  string // the name of the file for people and for fencing
	Key     string // under which its offset is kept
	Offset  int64
	Records []event.Record
	Asks    map[string]*event.Ask // what waiting agents ask, whole, by request
	Refused []string
	Grew    bool // the file did, be it by what says nothing of the agent's state
	// Size is how large the file is, if it is one of status records; 0 for those that agents keep for themselves.
	Size int64
}

// Records are the status files, and the further files that agents write about themselves.
type Records interface {
	// Follow watches the files of the task's newest generation, from the offsets that the log knows.
	Follow(t life.Task)
	// Flush returns when all that the files of a generation hold now has been taken from Batches.
	Flush(ctx context.Context, id event.TaskID, gen int)
	// Forget stops watching them.
	Forget(id event.TaskID, gen int)
	// Follows reports whether the files of a generation are watched.
	Follows(id event.TaskID, gen int) bool
	// OpenTool returns the tool call that the newest generation says has begun and not ended, or "".
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

// Processes are the processes of the machine.
type Processes interface {
	// Identify names the process beyond the reuse of its number; false if it is gone.
	Identify(pid int) (event.ProcessRef, bool)
	// Watch reports the end of the process, at once if it is gone.
	Watch(p event.ProcessRef, token any)
	Deaths() <-chan Death
	// End ends everything that a task started, politely first, and reports whether something is left.
	End(ctx context.Context, t life.Task, grace time.Duration) error
	// EndJob ends the job of a task, be it that it waits for a slot, with all that it runs. It leaves no result. runner is
	// the process in the task's check window; zero if there is none.
	EndJob(ctx context.Context, id event.TaskID, runner event.ProcessRef, grace time.Duration) error
	// Holder is the process that holds the task's alive lock.
	Holder(id event.TaskID) (pid int, held bool)
	Signal(p event.ProcessRef, signal int) error
}

// Admission is one source of admission control: the machine, later an account or a budget.
type Admission interface {
	// Closed returns why nothing new may start now, in words for people; "" if it may.
	Closed() string
}
