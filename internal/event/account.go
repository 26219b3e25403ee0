package event

import "time"

// AccountRested says that an account's usage limit is reached: it rests until its reset.
type AccountRested struct {
	Until time.Time `json:"until"`
	By    TaskID    `json:"by"` // the task whose agent said so
}

// AccountWoke says that an account's rest is over.
type AccountWoke struct{}

// Kind implements Payload.
func (AccountRested) Kind() Kind { return "account.rested" }

// Kind implements Payload.
func (AccountWoke) Kind() Kind { return "account.woke" }
