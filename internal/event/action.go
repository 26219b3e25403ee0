package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// ActionKind names a kind of action of the supervisor. The strings are a contract.
type ActionKind string

// The actions. Each examines the world first and may be repeated any number of times.
const (
	ActPrepare   ActionKind = "prepare"
	ActStart     ActionKind = "start"
	ActDeliver   ActionKind = "deliver"
	ActConfirm   ActionKind = "look"
	ActAnswer    ActionKind = "answer"
	ActInterrupt ActionKind = "interrupt"
	ActProbe     ActionKind = "probe"
	ActEnd       ActionKind = "end"
	ActCheck     ActionKind = "check"
	ActPublish   ActionKind = "publish"
	ActClean     ActionKind = "clean"
	ActKeep      ActionKind = "keep"
	ActClose     ActionKind = "close"
	ActRemove    ActionKind = "remove"
	ActRestore   ActionKind = "restore"
)

// Args are the arguments of an action. Each kind has its own type.
type Args interface{ Action() ActionKind }

// Action is something to do, complete enough to be repeated after a crash. In the log it is one flat object: id, kind
// and gen, then the fields of its arguments. Programs of every version read that form.
type Action struct {
	ID   ActionID
	Gen  int // the generation to which it belongs
	Args Args
}

// Kind returns the kind of the arguments; "" for the zero Action.
func (a Action) Kind() ActionKind {
	if a.Args == nil {
		return ""
	}
	return a.Args.Action()
}

// Message returns the message that the action delivers or confirms; "" if it does neither.
func (a Action) Message() MessageID {
	switch args := a.Args.(type) {
	case DeliverArgs:
		return args.Message
	case ConfirmArgs:
		return args.Message
	}
	return ""
}

// PrepareArgs makes the worktree ready: branch, files, copied files, setup.
type PrepareArgs struct{}

// StartArgs starts the agent process of a generation.
type StartArgs struct {
	Conversation string      `json:"conversation,omitempty"`
	Resume       bool        `json:"resume,omitempty"`   // the conversation is taken up again
	Messages     []MessageID `json:"messages,omitempty"` // carried by the first prompt
}

// DeliverArgs sends one message to the running agent.
type DeliverArgs struct {
	Message MessageID `json:"message,omitempty"`
}

// ConfirmArgs finds out whether a message has arrived.
type ConfirmArgs struct {
	Message MessageID `json:"message,omitempty"`
}

// AnswerArgs passes a decision to the hook that holds a request.
type AnswerArgs struct {
	Request  string   `json:"request,omitempty"`
	Decision Decision `json:"decision,omitempty"`
	Text     string   `json:"text,omitempty"`
	Hash     string   `json:"hash,omitempty"` // of the request; if it is allowed, of what was shown to the person
}

// InterruptArgs interrupts the agent's turn.
type InterruptArgs struct{}

// ProbeArgs looks at a silent agent: is a tool call open, and what does its screen show?
type ProbeArgs struct {
	Launch bool          `json:"launch,omitempty"` // it has not reported since its start: does its screen stand still, and at what words?
	Quiet  time.Duration `json:"quiet,omitempty"`  // how long nothing had been heard of the agent
}

// EndArgs ends everything that the agent started.
type EndArgs struct{}

// CheckArgs runs one round of checks.
type CheckArgs struct {
	Round int    `json:"round,omitempty"`
	Known string `json:"known,omitempty"` // the tree of the newest verdict, which need not be computed again
}

// PublishArgs publishes work that passed its checks.
type PublishArgs struct {
	Tree string `json:"tree,omitempty"` // with the green verdict
}

// CleanArgs removes the worktree of published work.
type CleanArgs struct{}

// KeepArgs keeps everything in the worktree under a private ref.
type KeepArgs struct{}

// CloseArgs closes the session that shows the last screen.
type CloseArgs struct{}

// RemoveArgs removes everything of the task but its events and the commits of its branch.
type RemoveArgs struct {
	Force bool `json:"force,omitempty"`
}

// RestoreArgs brings kept work back into the task's worktree.
type RestoreArgs struct {
	Ref string `json:"ref,omitempty"`
}

// UnknownArgs are the arguments of a kind that this version does not know. They are kept unchanged and never carried
// out.
type UnknownArgs struct {
	Name ActionKind
	Raw  json.RawMessage // the whole action
}

// Action implements Args.
func (PrepareArgs) Action() ActionKind { return ActPrepare }

// Action implements Args.
func (StartArgs) Action() ActionKind { return ActStart }

// Action implements Args.
func (DeliverArgs) Action() ActionKind { return ActDeliver }

// Action implements Args.
func (ConfirmArgs) Action() ActionKind { return ActConfirm }

// Action implements Args.
func (AnswerArgs) Action() ActionKind { return ActAnswer }

// Action implements Args.
func (InterruptArgs) Action() ActionKind { return ActInterrupt }

// Action implements Args.
func (ProbeArgs) Action() ActionKind { return ActProbe }

// Action implements Args.
func (EndArgs) Action() ActionKind { return ActEnd }

// Action implements Args.
func (CheckArgs) Action() ActionKind { return ActCheck }

// Action implements Args.
func (PublishArgs) Action() ActionKind { return ActPublish }

// Action implements Args.
func (CleanArgs) Action() ActionKind { return ActClean }

// Action implements Args.
func (KeepArgs) Action() ActionKind { return ActKeep }

// Action implements Args.
func (CloseArgs) Action() ActionKind { return ActClose }

// Action implements Args.
func (RemoveArgs) Action() ActionKind { return ActRemove }

// Action implements Args.
func (RestoreArgs) Action() ActionKind { return ActRestore }

// Action implements Args.
func (a UnknownArgs) Action() ActionKind { return a.Name }

// actions is the table of all actions, with the function that decodes the arguments of each kind.
var actions = map[ActionKind]func([]byte) (Args, error){
	"prepare":   argsOf[PrepareArgs],
	"start":     argsOf[StartArgs],
	"deliver":   argsOf[DeliverArgs],
	"look":      argsOf[ConfirmArgs],
	"answer":    argsOf[AnswerArgs],
	"interrupt": argsOf[InterruptArgs],
	"probe":     argsOf[ProbeArgs],
	"end":       argsOf[EndArgs],
	"check":     argsOf[CheckArgs],
	"publish":   argsOf[PublishArgs],
	"clean":     argsOf[CleanArgs],
	"keep":      argsOf[KeepArgs],
	"close":     argsOf[CloseArgs],
	"remove":    argsOf[RemoveArgs],
	"restore":   argsOf[RestoreArgs],
	"build":     argsOf[BuildArgs],
	"judge":     argsOf[JudgeArgs],
	"land":      argsOf[LandArgs],
}

// argsOf decodes arguments of one type. It ignores fields of the object that are not arguments.
func argsOf[A Args](data []byte) (Args, error) {
	var a A
	err := json.Unmarshal(data, &a)
	return a, err
}

// ActionKinds returns all kinds of actions that this version knows, in any order.
func ActionKinds() []ActionKind {
	out := make([]ActionKind, 0, len(actions))
	for k := range actions {
		out = append(out, k)
	}
	return out
}

// actionHead has the fields of every action in the log.
type actionHead struct {
	ID   ActionID   `json:"id"`
	Kind ActionKind `json:"kind"`
	Gen  int        `json:"gen,omitempty"`
}

// MarshalJSON encodes the flat object.
func (a Action) MarshalJSON() ([]byte, error) {
	if u, ok := a.Args.(UnknownArgs); ok {
		return u.Raw, nil
	}
	head, err := json.Marshal(actionHead{ID: a.ID, Kind: a.Kind(), Gen: a.Gen})
	if err != nil || a.Args == nil {
		return head, err
	}
	args, err := json.Marshal(a.Args)
	if err != nil {
		return nil, fmt.Errorf("encode action %s: %w", a.Kind(), err)
	}
	if bytes.Equal(args, []byte("{}")) {
		return head, nil
	}
	return append(append(head[:len(head)-1], ','), args[1:]...), nil
}

// UnmarshalJSON decodes the flat object. A kind that this version does not know gets UnknownArgs.
func (a *Action) UnmarshalJSON(b []byte) error {
	var head actionHead
	if err := json.Unmarshal(b, &head); err != nil {
		return fmt.Errorf("decode action: %w", err)
	}
	*a = Action{ID: head.ID, Gen: head.Gen}
	read, ok := actions[head.Kind]
	switch {
	case ok:
	case head.Kind == "": // the zero Action
		return nil
	default:
		a.Args = UnknownArgs{Name: head.Kind, Raw: bytes.Clone(b)}
		return nil
	}
	args, err := read(b)
	if err != nil {
		return fmt.Errorf("decode action %s: %w", head.Kind, err)
	}
	a.Args = args
	return nil
}

// ActionIntended is written before the action is taken.
type ActionIntended struct {
	Action Action `json:"action"`
}

// ActionFinished is written after it; what it found out is in the events beside it.
type ActionFinished struct {
	ID    ActionID   `json:"id"`
	What  ActionKind `json:"kind"`
	Error string     `json:"error,omitempty"`
}

// Place is a place where an action may meet a shortage.
type Place string

// The places.
const (
	PlaceMachine    Place = "machine"
	PlaceRepository Place = "repository" // the disk of the task's own repository
	PlaceRemote     Place = "remote"     // the remote that the task's work is pushed to: the network, or the login there
)

// ActionPutOff says that an action failed for want of what a place lacks. It stays intended and is tried again.
type ActionPutOff struct {
	ID    ActionID   `json:"id"`
	What  ActionKind `json:"what"`
	Place Place      `json:"place"` // machine, repository or remote
	Why   string     `json:"why"`
}

// ActionBegun says that a put-off action has begun to work: the place has what it lacked.
type ActionBegun struct {
	ID ActionID `json:"id"`
}
