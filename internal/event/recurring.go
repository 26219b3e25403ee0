package event

import "time"

// RecurringRan says what a run of a schedule has led to. Each run has one.
type RecurringRan struct {
	Name    string    `json:"name"`
	At      time.Time `json:"at"`                // the time of the run; of runs that are left out, that of the newest
	Tasks   []TaskID  `json:"tasks,omitempty"`   // that were dispatched
	Skipped int       `json:"skipped,omitempty"` // runs that are left out
	Why     string    `json:"why,omitempty"`     // why nothing was dispatched
}

// Kind implements Payload.
func (RecurringRan) Kind() Kind { return "recurring.ran" }
