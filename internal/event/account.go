package event

import "time"

// RestCause is why an account rests. The strings are a contract.
type RestCause string

// The causes of a rest. A rest for RestAuth, RestBilling or RestPerson may have no end of its own.
const (
	RestLimit      RestCause = "rate_limit" // its usage limit is reached, or its calls are refused for being too many
	RestOverloaded RestCause = "overloaded" // the service is overloaded
	RestAuth       RestCause = "auth"       // its login does not work
	RestBilling    RestCause = "billing"    // its money is out
	RestBudget     RestCause = "budget"     // its own budget is spent
	RestPerson     RestCause = "person"     // `muster accounts rest` was run
)

// Endless reports whether a rest for this cause ends only by what a person does.
func (c RestCause) Endless() bool { return c == RestAuth || c == RestBilling }

// RestSource is where the end of a limit is from.
type RestSource string

// The sources of the end of a limit.
const (
	SourceQuotaLimits RestSource = "quotaLimits" // the agent's own transcript
	SourceRateLimits  RestSource = "rate_limits" // the windows that the service sends with each answer
	SourceRetryNext   RestSource = "retry.next"  // when the agent, or the service, would try again
	SourceWords       RestSource = "words"       // a text for people
	SourceNone        RestSource = "none"        // nothing names an end
)

// LimitWindow is the use of one window of an account's usage limit.
type LimitWindow struct {
	Name        string    `json:"name"` // such as five_hour
	UsedPercent float64   `json:"used_percent"`
	ResetsAt    time.Time `json:"resets_at,omitzero"`
}

// AccountRested says that an account rests: no agent is started on it, and nothing is sent to those that use it.
type AccountRested struct {
	Account AccountID  `json:"account,omitempty"`
	Cause   RestCause  `json:"cause,omitempty"` // logs of older versions have none; it is a usage limit then
	Until   time.Time  `json:"until,omitzero"`  // absent if the rest has no end of its own
	Source  RestSource `json:"source,omitempty"`
	By      TaskID     `json:"by,omitempty"` // the task whose agent said so; absent if a person did
	// Credential is a fingerprint of the account's credential file when its login did not work.
	Credential string `json:"credential,omitempty"`
}

// AccountUntil says that the end of an account's rest is known better.
type AccountUntil struct {
	Until  time.Time  `json:"until"`
	Source RestSource `json:"source,omitempty"`
	By     TaskID     `json:"by,omitempty"`
}

// AccountMet says that a further agent met what its account rests for, and that its task is parked.
type AccountMet struct {
	Task TaskID `json:"task"`
}

// WakeWhy is why an account is tried again.
type WakeWhy string

// The reasons to try an account again.
const (
	WakeReset      WakeWhy = "reset"      // the named end has come
	WakeLook       WakeWhy = "look"       // nothing names an end, and it is time to look
	WakePerson     WakeWhy = "person"     // a person asked for it
	WakeCredential WakeWhy = "credential" // its credential file has changed
	WakeBudget     WakeWhy = "budget"     // its budget is renewed
)

// AccountProbing says that an account's rest is over, as far as is known: one agent tries it, alone.
type AccountProbing struct {
	Why WakeWhy `json:"why"`
}

// AccountProbed says which task's agent tries the account.
type AccountProbed struct {
	Task TaskID `json:"task"`
}

// AccountProved says that the agent that tried the account got an answer: the others follow, one after another.
type AccountProved struct {
	Task TaskID `json:"task"`
}

// AccountWoke says that an account's rest is over, and that all agents which it had stopped continue.
type AccountWoke struct{}

// AccountUsed says how much of the account's usage limits is used.
type AccountUsed struct {
	Windows []LimitWindow `json:"windows"`
}

// AccountHeld says that the account of a task rests: its agent gets nothing until it is woken.
type AccountHeld struct {
	Account AccountID `json:"account"`
	Cause   RestCause `json:"cause"`
	Until   time.Time `json:"until,omitzero"` // absent if the rest has no end of its own
	Hard    bool      `json:"hard,omitempty"` // its agent is interrupted, too
}

// AccountReleased says that the account of a task no longer rests.
type AccountReleased struct{}

// WakeRequested asks to try an account again now.
type WakeRequested struct{}

// RestRequested asks to let an account rest.
type RestRequested struct {
	Until time.Time `json:"until,omitzero"` // absent: until somebody wakes it
}

// Kind implements Payload.
func (AccountRested) Kind() Kind { return "account.rested" }

// Kind implements Payload.
func (AccountUntil) Kind() Kind { return "account.until" }

// Kind implements Payload.
func (AccountMet) Kind() Kind { return "account.met" }

// Kind implements Payload.
func (AccountProbing) Kind() Kind { return "account.probing" }

// Kind implements Payload.
func (AccountProbed) Kind() Kind { return "account.probed" }

// Kind implements Payload.
func (AccountProved) Kind() Kind { return "account.proved" }

// Kind implements Payload.
func (AccountWoke) Kind() Kind { return "account.woke" }

// Kind implements Payload.
func (AccountUsed) Kind() Kind { return "account.used" }

// Kind implements Payload.
func (AccountHeld) Kind() Kind { return "account.held" }

// Kind implements Payload.
func (AccountReleased) Kind() Kind { return "account.released" }

// Kind implements Payload.
func (WakeRequested) Kind() Kind { return "wake.requested" }

// Kind implements Payload.
func (RestRequested) Kind() Kind { return "rest.requested" }
