package event

import "time"

// Budget is what a task may use before a person is asked. A limit of 0 is none.
type Budget struct {
	CostUSD float64       `json:"cost_usd,omitempty"` // at list prices
	Tokens  int64         `json:"tokens,omitempty"`   // as Usage.Tokens counts them
	Turns   int           `json:"turns,omitempty"`    // answers of the model
	Wall    time.Duration `json:"wall,omitempty"`     // time in which the agent can work; waiting does not count
	// Soft is the share of a limit at which the agent is told to come to an end; 1 or more means never.
	Soft float64 `json:"soft,omitempty"`
}

// BudgetGranted says that a person granted the task's budget once more. What was used before does not count against it.
type BudgetGranted struct {
	Usage Usage `json:"usage"` // so far
}

// Kind implements Payload.
func (BudgetGranted) Kind() Kind { return "budget.granted" }
