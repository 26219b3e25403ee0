package event

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Reviewer is a check of a project that is an agent: it reads the work in a task of its own and judges it.
type Reviewer struct {
	Name   string `json:"name"`   // of the check
	Prompt string `json:"prompt"` // what the project wants it to look at
	// Spec is the task of each of its reviews, without what is known only when there is work to review.
	Spec Spec `json:"spec"`
}

// ReviewOf is the work that a task reviews.
type ReviewOf struct {
	Task   TaskID `json:"task"`  // whose work it is
	Check  string `json:"check"` // the name of the reviewer
	Round  int    `json:"round"` // of Task
	Commit string `json:"commit"`
	Tree   string `json:"tree"` // with green commands
	Base   string `json:"base"` // the commit that the work began with
}

// ReviewWanted says that a round needs a review: all its commands are green. The review itself is a task, which is queued in
// the same transaction.
type ReviewWanted struct {
	ReviewOf
	Agent string `json:"agent"` // the name in the configuration
}

// ReviewBegun says which task reviews the work.
type ReviewBegun struct {
	Task TaskID `json:"task"`
}

// ReviewFinished is the end of a review, and its verdict.
type ReviewFinished struct {
	Task     TaskID        `json:"task"` // that reviewed
	Check    string        `json:"check"`
	Round    int           `json:"round"`
	Tree     string        `json:"tree"`
	Agent    string        `json:"agent"`
	Green    bool          `json:"green"`
	Findings string        `json:"findings,omitempty"`
	Error    string        `json:"error,omitempty"` // why there is no verdict; "" if there is one
	Duration time.Duration `json:"duration"`
	// Usage is what the reviewer has used. It counts for the task whose work it is.
	Usage Usage `json:"usage"`
}

// ReviewerSealed says by which seal the verdict of a generation is recognised.
type ReviewerSealed struct {
	Seal string `json:"seal"` // hash of the secret that this generation alone was given
}

// Kind implements Payload.
func (ReviewWanted) Kind() Kind { return "review.wanted" }

// Kind implements Payload.
func (ReviewBegun) Kind() Kind { return "review.begun" }

// Kind implements Payload.
func (ReviewFinished) Kind() Kind { return "review.finished" }

// Kind implements Payload.
func (ReviewerSealed) Kind() Kind { return "reviewer.sealed" }

// VerdictColor is what a reviewer thinks of the work.
type VerdictColor string

// The verdicts.
const (
	VerdictGreen VerdictColor = "green"
	VerdictRed   VerdictColor = "red"
)

// Verdict is the answer of a reviewer, in a status record.
type Verdict struct {
	// Result is green or red.
	Result VerdictColor `json:"result"`
	// Findings are what the author of the work is told.
	Findings string `json:"findings,omitempty"`
	// Seal is the secret of the generation in a status file, and its hash in the log.
	Seal string `json:"seal,omitempty"`
}

// SealOf returns the hash of a reviewer's secret.
func SealOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}
