package event

// DispatchRequested queues a task. It is the birth of the task and holds all of it.
type DispatchRequested struct {
	Spec   Spec   `json:"spec"`
	Prompt string `json:"prompt"`
}

// Front is the front end by which a person asked for something. It is "" in events of older versions, and where muster asks itself.
type Front string

// The front ends.
const (
	FrontVerb Front = "verb" // a command line
	FrontTop  Front = "top"
	FrontPage Front = "page"
	FrontAPI  Front = "api"
	FrontNtfy Front = "ntfy" // a button of a message
)

// SendRequested queues a message of a person to the agent.
type SendRequested struct {
	Message MessageID `json:"message"`
	Text    string    `json:"text"`
	Front   Front     `json:"front,omitempty"`
}

// Decision is the answer to a permission request or question.
type Decision string

// The decisions.
const (
	Allow Decision = "allow"
	Deny  Decision = "deny"
	Reply Decision = "text" // the answer to a question, as text
)

// AnswerRequested answers the open request of a task.
type AnswerRequested struct {
	Request  string   `json:"request"`
	Decision Decision `json:"decision"`
	Text     string   `json:"text,omitempty"` // of several questions, one line for each
	Hash     string   `json:"hash,omitempty"` // of what was shown to the person who allows it
	Via      string   `json:"via,omitempty"`  // the channel by which it came, such as "phone"; "" for the commands of this machine
	Front    Front    `json:"front,omitempty"`
}

// InterruptRequested asks to interrupt the agent's turn.
type InterruptRequested struct {
	Front Front `json:"front,omitempty"`
}

// StopRequested asks to end the task gracefully, keeping its work.
type StopRequested struct {
	Front Front `json:"front,omitempty"`
}

// RetryRequested brings a parked task back.
type RetryRequested struct {
	Allow []FindingKind `json:"allow,omitempty"` // findings that the task's work may have from now on
	Front Front         `json:"front,omitempty"`
}

// RemoveRequested asks to remove what a finished or parked task left behind.
type RemoveRequested struct {
	Force bool  `json:"force,omitempty"`
	Front Front `json:"front,omitempty"`
}

// RestoreRequested asks to bring the kept work of a task back into its worktree.
type RestoreRequested struct {
	Ref   string `json:"ref"`
	Front Front  `json:"front,omitempty"`
}

// DownMode is what happens to running tasks when the fleet goes down.
type DownMode string

// The modes of down.
const (
	DownLeave DownMode = "leave" // agents keep running without a supervisor
	DownDrain DownMode = "drain" // nothing new starts; the fleet is down when everything has ended
	DownKill  DownMode = "kill"  // agents are ended, and resumed at the next up
)

// DownRequested tells the fleet to be down.
type DownRequested struct {
	Mode DownMode `json:"mode"`
}

// UpRequested tells the fleet to be up.
type UpRequested struct{}

// Kind implements Payload.
func (DispatchRequested) Kind() Kind { return "dispatch.requested" }

// Kind implements Payload.
func (SendRequested) Kind() Kind { return "send.requested" }

// Kind implements Payload.
func (AnswerRequested) Kind() Kind { return "answer.requested" }

// Kind implements Payload.
func (InterruptRequested) Kind() Kind { return "interrupt.requested" }

// Kind implements Payload.
func (StopRequested) Kind() Kind { return "stop.requested" }

// Kind implements Payload.
func (RetryRequested) Kind() Kind { return "retry.requested" }

// Kind implements Payload.
func (RemoveRequested) Kind() Kind { return "remove.requested" }

// Kind implements Payload.
func (RestoreRequested) Kind() Kind { return "restore.requested" }

// Kind implements Payload.
func (DownRequested) Kind() Kind { return "down.requested" }

// Kind implements Payload.
func (UpRequested) Kind() Kind { return "up.requested" }
