package event

import "time"

// State is the state of a task (design section 3). The strings are a contract.
type State string

// The states; the last three are final.
const (
	Queued     State = "queued"
	Blocked    State = "blocked"
	Preparing  State = "preparing"
	Starting   State = "starting"
	Working    State = "working"
	Waiting    State = "waiting"
	Stalled    State = "stalled"
	Limited    State = "limited"
	Checking   State = "checking"
	Publishing State = "publishing"
	InReview   State = "in_review"
	Parked     State = "parked"
	Done       State = "done"
	Failed     State = "failed"
	Cancelled  State = "cancelled"
)

// States returns all states, in the order in which a task goes through them.
func States() []State {
	return []State{
		Queued, Blocked, Preparing, Starting, Working, Waiting, Stalled, Limited, Checking, Publishing, InReview, Parked, Done, Failed, Cancelled,
	}
}

// Final reports whether a task in this state has ended for good.
func (s State) Final() bool { return s == Done || s == Failed || s == Cancelled }

// Reason is the machine-readable reason of a task's state.
type Reason string

// TaskMoved is a change of state: the outcome of a rule, so that old logs fold the same way for ever.
type TaskMoved struct {
	From   State  `json:"from"`
	To     State  `json:"to"`
	Rule   string `json:"rule"`             // the row of life's table
	Reason Reason `json:"reason,omitempty"` // why, for scripts
	Detail string `json:"detail,omitempty"` // why, for people
}

// DeadlineName names a deadline of a task.
type DeadlineName string

// The deadlines.
const (
	DeadlineTimeout     DeadlineName = "timeout"      // of the whole task
	DeadlineFirstRecord DeadlineName = "first_record" // of a new generation
	DeadlineRestart     DeadlineName = "restart"      // the end of the pause before the next attempt
	DeadlineWaiting     DeadlineName = "waiting"      // of an open permission request or question
	DeadlineAPIRetry    DeadlineName = "api_retry"    // the end of the pause after an API error
	DeadlineAck         DeadlineName = "ack"          // for confirming a message in transit
	DeadlineShut        DeadlineName = "shut"         // how long a message waits at an input that is in use
	DeadlineSilence     DeadlineName = "silence"      // when to check the idle time of a working agent
	DeadlineStall       DeadlineName = "stall"        // of the next stage of the reaction to silence
	DeadlineSettle      DeadlineName = "settle"       // for the report how a turn ended that is known to be over
	DeadlineReview      DeadlineName = "review"       // of work in review
	DeadlineKeep        DeadlineName = "keep"         // how long the last screen of a finished task stays
	DeadlineEnd         DeadlineName = "end"          // when to end again what still runs of a task that ends
	DeadlineLack        DeadlineName = "lack"         // the end of the pause before a postponed action is tried again
	DeadlineBudget      DeadlineName = "budget"       // of the working time that the budget allows
	DeadlineBudgetSoft  DeadlineName = "budget_soft"  // when the agent is told that this time ends
	DeadlineVerdict     DeadlineName = "verdict"      // of the review that a round waits for
	DeadlineLackEnd     DeadlineName = "lack_end"     // how long an action may be postponed
	DeadlineRest        DeadlineName = "rest"         // of an account: when it is tried again
	DeadlineSpread      DeadlineName = "spread"       // of an account: when the next agent is woken after a rest
	DeadlineNight       DeadlineName = "night"        // of an account: when its budget is renewed
	DeadlineMerge       DeadlineName = "merge"        // of a merge queue: when it is looked at again
)

// DeadlineSet starts or moves a deadline.
type DeadlineSet struct {
	Name DeadlineName `json:"name"`
	At   time.Time    `json:"at"`
	// Instant deadlines name a point of the calendar; the others are durations, which move when the host slept.
	Instant bool `json:"instant,omitempty"`
	// Left is set while the deadline's clock stands still: so much is left, and At means nothing.
	Left time.Duration `json:"left,omitempty"`
}

// DeadlineCleared ends a deadline.
type DeadlineCleared struct {
	Name DeadlineName `json:"name"`
}

// WorktreeReady says where the task's work lies.
type WorktreeReady struct {
	Path   string `json:"path"`
	Branch string `json:"branch"`
	Base   string `json:"base"` // the commit it started from
	// From is which state of another task a base such as @t3 was: "worktree", a keep ref, or "branch"; "" for any other base.
	From string `json:"from,omitempty"`
}

// WorktreeRemoved says that it is gone.
type WorktreeRemoved struct {
	SetAside string `json:"set_aside,omitempty"` // where its files lie that could neither be kept nor removed
}

// Why is the reason of a further generation.
type Why string

// The reasons of a generation. Only the agent's own faults count as attempts.
const (
	WhyFirst    Why = "first"
	WhyCrash    Why = "crash"     // fault: it exited by itself or was killed
	WhySilent   Why = "no_record" // fault: no first record in time
	WhyStall    Why = "stall"     // fault: restart after a stall
	WhyFeedback Why = "feedback"
	WhyMessage  Why = "message"
	WhyLost     Why = "lost" // the tmux server died, or the machine restarted
	WhyRetry    Why = "retry"
	WhyAPI      Why = "api_error"
	WhyNudge    Why = "nudge"  // only of a message: it asks a silent agent to continue
	WhyBudget   Why = "budget" // it was interrupted for a hard budget; of a message: it asks the agent to come to an end
)

// Fault reports whether the previous generation ended by the agent's own fault.
func (w Why) Fault() bool { return w == WhyCrash || w == WhySilent || w == WhyStall }

// GenerationStarted begins a generation; the event's Gen is the new one.
type GenerationStarted struct {
	Attempt      int    `json:"attempt"`
	Why          Why    `json:"why"`
	Conversation string `json:"conversation,omitempty"`
	Resume       bool   `json:"resume,omitempty"`
}

// NextPlanned says that a further generation will be started, and why, as soon as its pause or slot allows.
type NextPlanned struct {
	Why          Why  `json:"why"` // "" takes a plan back
	LaunchFailed bool `json:"launch_failed,omitempty"`
}

// Shelved says that the task's agent is taken down with the fleet, to be resumed at the next up.
type Shelved struct {
	On bool `json:"on"`
}

// ProcessRef identifies a process on this machine, even if its number is reused.
type ProcessRef struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // start time in the kernel's units
}

// AgentLaunched says that the agent's process is there.
type AgentLaunched struct {
	Process ProcessRef `json:"process"`
	Pane    string     `json:"pane"`
	Session string     `json:"session"`
}

// FenceApplied says which fence the agent's process was started in. The paths that the task names are in its spec, and
// those that it is granted besides are counted.
type FenceApplied struct {
	ABI     int    `json:"abi"`              // of Landlock; 0 on macOS
	Seccomp bool   `json:"seccomp"`          // whether system calls are filtered
	Read    int    `json:"read"`             // paths that may be read
	Write   int    `json:"write"`            // paths that may be written
	Policy  string `json:"policy,omitempty"` // SHA-256 of all that is granted; logs of older versions have none
}

// AgentReported is a status record that changed something.
type AgentReported struct {
	Record Record `json:"record"`
	Note   bool   `json:"note,omitempty"` // nothing but the note changed
	// Account means that the error is one of the account, which rests for it. It does not count as an error of the task.
	Account bool `json:"account,omitempty"`
}

// RecordRefused is a status record, or a piece of a file, that was kept as evidence and not obeyed.
type RecordRefused struct {
	Source string  `json:"source"`
	Why    string  `json:"why"`
	Record *Record `json:"record,omitempty"`
	// Notes means that notes which come too fast are left out for a while; only the first of them causes an event.
	Notes bool `json:"notes,omitempty"`
}

// ExitCause is how an agent's process was ended.
type ExitCause string

// The causes of an exit.
const (
	CauseOwn   ExitCause = "own"   // it ended by itself, or was killed from outside muster
	CauseEnded ExitCause = "ended" // muster ended it
	CauseLost  ExitCause = "lost"  // its tmux server died, or the machine restarted
	CauseLeft  ExitCause = "left"  // muster could not end it, and tries again from time to time
)

// AgentExited says that the agent's process is gone, or that it no longer counts because it could not be ended (CauseLeft).
type AgentExited struct {
	Cause  ExitCause `json:"cause"`
	Exit   int       `json:"exit"`
	Signal int       `json:"signal,omitempty"`
	Known  bool      `json:"known"` // false: nobody could tell the exit status
}

// AgentProbed is what a look at a silent agent showed.
type AgentProbed struct {
	Tool     string `json:"tool,omitempty"`     // a tool call that is open
	Evidence string `json:"evidence,omitempty"` // path of a file that holds the end of its screen
	Screen   string `json:"screen,omitempty"`   // the first words of a screen that stood still after a start
}

// SilenceDoubted says that an agent was found silent together with most of the fleet, which says more about the
// machine or the network than about the agent: the finding is thrown away, once.
type SilenceDoubted struct {
	Quiet time.Duration `json:"quiet"`
}

// Stage is a stage of the reaction to silence. Each is taken once.
type Stage string

// The stages, in order. After the last one the task is parked.
const (
	StageNudge     Stage = "nudge"     // a message that asks the agent to go on
	StageInterrupt Stage = "interrupt" // its turn is interrupted
	StageRestart   Stage = "restart"   // a new generation continues the conversation
)

// StallStaged says which stage is taken now.
type StallStaged struct {
	Stage Stage `json:"stage"`
}

// RequestOpened is a permission request or question of the agent.
type RequestOpened struct {
	Request string     `json:"request"` // "" where no hook holds it
	Reason  WaitReason `json:"reason"`
	Tool    string     `json:"tool,omitempty"`
	Text    string     `json:"text,omitempty"` // what it is about, in a line
	Options []string   `json:"options,omitempty"`
	Ask     *Ask       `json:"ask,omitempty"` // the whole of it: input, size, hash, cut, questions, use; nil in logs of versions that did not keep it

	Unjudged string `json:"unjudged,omitempty"` // why the rules that match it could not decide it; "" otherwise
}

// RequestClosed ends it.
type RequestClosed struct {
	Request string `json:"request"`
	How     string `json:"how"` // answered, by the agent, expired, gone
}

// MessageState is the state of a message.
type MessageState string

// The states of a message.
const (
	MessageWaiting MessageState = "queued"
	MessageSending MessageState = "sending"
	MessageAcked   MessageState = "acknowledged"
	MessageUnknown MessageState = "unknown"
	MessageFailed  MessageState = "failed"
)

// MessageQueued is a message by muster itself: feedback of a round, or a word to go on.
type MessageQueued struct {
	Message MessageID `json:"message"`
	Text    string    `json:"text"`
	Why     Why       `json:"why"`
}

// MessageMoved is a change of a message's state.
type MessageMoved struct {
	Message  MessageID    `json:"message"`
	To       MessageState `json:"to"`
	Evidence string       `json:"evidence,omitempty"`
}

// CheckResult is the verdict of one check on one tree.
type CheckResult struct {
	Name     string        `json:"name"`
	Run      string        `json:"run"`
	Exit     int           `json:"exit"`
	Signal   int           `json:"signal,omitempty"`
	TimedOut bool          `json:"timed_out,omitempty"`
	Duration time.Duration `json:"duration"`
	Excerpt  string        `json:"excerpt,omitempty"` // the useful part of a failed check's output
	Log      string        `json:"log,omitempty"`     // the file with the whole output
	Runs     int           `json:"runs,omitempty"`    // how often it was run for this verdict, if more than once
	Skipped  bool          `json:"skipped,omitempty"` // it was not run: the work has changed none of its files
	// Review is the task of the reviewer whose verdict it is; "" for a command.
	Review TaskID `json:"review,omitempty"`
}

// Green reports whether the check passed, or did not have to run.
func (r CheckResult) Green() bool { return r.Exit == 0 && r.Signal == 0 && !r.TimedOut }

// JobStarted says which process runs a job, checks or setup, and with which key it will sign the result. It is written
// before the first step starts, so that no step can speak for the process.
type JobStarted struct {
	Action     ActionID      `json:"action"`
	For        ActionKind    `json:"for"`  // check or prepare
	Name       string        `json:"name"` // of the job
	Run        int           `json:"run"`  // the number of the run within the action, from 1 on
	Process    ProcessRef    `json:"process"`
	Key        []byte        `json:"key"`             // public, ed25519
	Definition string        `json:"definition"`      // hash of what the process runs, and in which fence
	Fence      *FenceApplied `json:"fence,omitempty"` // of the commands, as the process has prepared it; nil if there is none
	Commit     string        `json:"commit,omitempty"`
	Tree       string        `json:"tree,omitempty"`    // what a round of checks judges
	Changed    bool          `json:"changed,omitempty"` // as in round.finished
	Findings   []Finding     `json:"findings,omitempty"`
	Skipped    []string      `json:"skipped,omitempty"` // checks that the round leaves out
	Size       int           `json:"size,omitempty"`    // as in round.finished
	// Environment is the name of the environment that the commands have, as in round.finished.
	Environment string `json:"environment,omitempty"`
}

// RoundFinished is one pass of checks: what was judged, and the verdicts.
type RoundFinished struct {
	Round   int           `json:"round"`
	Commit  string        `json:"commit"` // private snapshot
	Tree    string        `json:"tree"`
	Changed bool          `json:"changed"` // the tree differs from the base, or there are commits
	Moved   bool          `json:"moved"`   // the tree changed while it was judged: the verdict is void
	Reused  bool          `json:"reused,omitempty"`
	Results []CheckResult `json:"results"`
	Fence   *FenceApplied `json:"fence,omitempty"` // in which the commands ran; nil if nothing restricted them, or none ran
	Void    string        `json:"void,omitempty"`  // why the verdict does not count; "" if it does
	// Findings are what the work has besides its verdicts, as far as the task does not allow it.
	Findings []Finding `json:"findings,omitempty"`
	// Size is how many lines the work adds and removes; 0 if nobody asks for it.
	Size int `json:"size,omitempty"`
	// Environment is a name of everything besides tree and commands on which the verdicts depend and that the machine knows:
	// variables, fence and programs. It is a keyed digest and reveals no value. "" in events of older versions.
	Environment string `json:"environment,omitempty"`
}

// WorkPublished says where work that passed has gone.
type WorkPublished struct {
	Mode   Publish `json:"mode"`
	Branch string  `json:"branch"`
	Commit string  `json:"commit"`
	Tree   string  `json:"tree"`
	URL    string  `json:"url,omitempty"`
	// Remote is the name of the remote that has the branch at the commit; "" if it was not pushed.
	Remote string `json:"remote,omitempty"`
	// Merged is the commit of the base branch that has the work; "" if it was not merged.
	Merged string `json:"merged,omitempty"`
	// Number is that of the change on the forge; 0 if there is none.
	Number int `json:"number,omitempty"`
}

// RaceDecided says which of the tasks of a race is published. It is written for each of them that has not ended.
type RaceDecided struct {
	Winner TaskID `json:"winner"`
	Why    string `json:"why"`
}

// ReviewTold says that something about the work in review goes back to the agent. Each key does so once.
type ReviewTold struct {
	Key   string `json:"key"`
	Names string `json:"names,omitempty"` // of the failing checks
}

// WorkKept says under which ref everything in the worktree was kept.
type WorkKept struct {
	Ref string `json:"ref"`
}

// StashKept says that an entry of the repository's stash has vanished since the task's agent started, and under which ref it
// was kept. All worktrees and the person share one stash: who took the entry is not known.
type StashKept struct {
	Ref    string `json:"ref"`
	Commit string `json:"commit"`
	Text   string `json:"text"` // the entry's first line
}

// UsageRecorded is the cumulative use of one conversation.
type UsageRecorded struct {
	Conversation string `json:"conversation"`
	Usage        Usage  `json:"usage"`
}

// SlotGranted gives the task one of the fleet's slots.
type SlotGranted struct {
	// Account is the account that the task uses from now on; absent if it has no choice.
	Account AccountID `json:"account,omitempty"`
}

// SlotReleased gives it back.
type SlotReleased struct{}

// TaskRemoved says that nothing of the task is left but its events and its branch.
type TaskRemoved struct{}

// DepsMet says that all dependencies are done.
type DepsMet struct{}

// DepsFailed says that a dependency will never be done.
type DepsFailed struct {
	On    TaskID `json:"on"`
	State State  `json:"state"`
}

// GateClosed says that nothing new starts, and why.
type GateClosed struct {
	Reason string `json:"reason"`
}

// GateOpened says that tasks start again.
type GateOpened struct{}

// SupervisorStarted is written once a supervisor has adopted the fleet.
type SupervisorStarted struct {
	PID     int    `json:"pid"`
	Version string `json:"version"`
	Boot    string `json:"boot"`
	Adopted int    `json:"adopted"`
}

// SupervisorStopped is written when it ends in good order.
type SupervisorStopped struct {
	Why string `json:"why"`
}

// SupervisorUpgraded says that the supervisor that has just started is of another program than the one before, as
// `muster upgrade` asked.
type SupervisorUpgraded struct {
	From  string    `json:"from"` // names of programs in the state directory's bin
	To    string    `json:"to"`
	Since time.Time `json:"since,omitzero"` // when the one before was told to end: nobody looked after the fleet from then on; absent if there was none
}

// UpgradeRolledBack says that the program that was asked for did not get ready, and the one before is at work again.
type UpgradeRolledBack struct {
	From  string    `json:"from"` // the program that is back
	To    string    `json:"to"`   // the one that failed
	Why   string    `json:"why"`
	Since time.Time `json:"since,omitzero"` // as in supervisor.upgraded
}

// ServerChanged says which tmux server holds the fleet.
type ServerChanged struct {
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	Version string    `json:"version"`
}

// HostSlept says that the machine was suspended.
type HostSlept struct {
	Gap time.Duration `json:"gap"`
}
