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

// BudgetGranted says that a person granted the budget of a task, of an account or of the night once more. What was used before does not count against it.
type BudgetGranted struct {
	Usage Usage `json:"usage"` // so far
}

// Kind implements Payload.
func (BudgetGranted) Kind() Kind { return "budget.granted" }

// NightBudget is the subject of the budget that all tasks share. It is no account of the configuration, where a name
// cannot have a colon.
const NightBudget AccountID = "budget:night"

// SharedBudget is what all tasks, or those of one account, may use until the night ends. A limit of 0 is none.
type SharedBudget struct {
	CostUSD float64 `json:"cost_usd,omitempty"` // at list prices
	Tokens  int64   `json:"tokens,omitempty"`   // as Usage.Tokens counts them
	// Soft is the share of a limit from which on no task is begun; those that have begun go on.
	Soft float64 `json:"soft,omitempty"`
	// Hard means that agents at work are interrupted when a limit is reached. Otherwise each ends its turn.
	Hard bool `json:"hard,omitempty"`
}

// Limited reports whether the budget has a limit.
func (b SharedBudget) Limited() bool { return b.CostUSD > 0 || b.Tokens > 0 }

// SpendLevel is how much of a shared budget is used. The strings are a contract.
type SpendLevel string

// The levels of a shared budget, in their order.
const (
	SpendFree  SpendLevel = ""      // tasks may begin
	SpendSoft  SpendLevel = "soft"  // no task is begun
	SpendSpent SpendLevel = "spent" // nothing is started or sent
)

// AccountSpent says what was used of the budget of an account, or of the night, since the night began. Without Until
// the night is over.
type AccountSpent struct {
	Since time.Time  `json:"since,omitzero"`
	Until time.Time  `json:"until,omitzero"`
	Usage Usage      `json:"usage,omitzero"`
	Level SpendLevel `json:"level,omitempty"`
	Hard  bool       `json:"hard,omitempty"`
	By    TaskID     `json:"by,omitempty"` // the task that used it last
}

// Kind implements Payload.
func (AccountSpent) Kind() Kind { return "account.spent" }
