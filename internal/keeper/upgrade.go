package keeper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"muster/internal/environ"
	"muster/internal/fault"
	"muster/internal/host"
	"muster/internal/lock"
	"muster/internal/regular"
	"muster/internal/replace"
	"muster/internal/run"
)

// sigUpgrade is the signal that tells a keeper to look for a Request.
const sigUpgrade = syscall.SIGUSR1

// Request asks the keeper to change to another program.
type Request struct {
	ID      string `json:"id"`      // names its outcome
	From    string `json:"from"`    // name of the program that it replaces; "" for any
	Program string `json:"program"` // absolute path of the program
	Tries   int    `json:"tries"`   // how often a keeper took it up; a keeper may be killed in between
}

// Outcome is the result of a Request.
type Outcome struct {
	ID   string `json:"id"`
	From string `json:"from"` // path of the previous program
	To   string `json:"to"`   // path of the requested program
	// Why says why the previous program is back. It is "" if the new one supervises.
	Why string `json:"why,omitempty"`
	// Away is how long there was no supervisor: from the signal that ended the old one until one was ready. It is 0 if
	// there was none before.
	Away time.Duration `json:"away"`
}

// Upgrades configures a keeper's upgrades. The zero value permits none.
type Upgrades struct {
	Request      string                          // path of the file that holds the request, until it has an outcome
	Outcome      string                          // path of the file that holds the newest outcome
	Adopt        func(program string) error      // the program is the fleet's from now on
	RestoreState func(ctx context.Context) error // makes the state readable for the previous program
}

// Handoff is the keeper's message to a supervisor that it starts. From and To are names of programs; they are ""
// unless an upgrade has just happened. Why says why it was rolled back.
type Handoff struct {
	From  string    `json:"from,omitempty"`
	To    string    `json:"to,omitempty"`
	Why   string    `json:"why,omitempty"`
	Since time.Time `json:"since,omitzero"` // when the previous supervisor was told to end
}

// ReadHandoff reads environ.Handoff. It returns the Handoff, and the connection to the keeper. Call ReadHandoff once,
// and before any other program is started, which would inherit the keeper's pipe.
func ReadHandoff(getenv func(string) string) (Handoff, Voice) {
	var kept Handoff
	value := getenv(environ.Handoff)
	if value == "" || json.Unmarshal([]byte(value), &kept) != nil {
		return Handoff{}, Voice{}
	}
	syscall.CloseOnExec(run.WordFD)
	return kept, Voice{pipe: os.NewFile(run.WordFD, "keeper")}
}

// Ask stores a request and signals the keeper that holds a lock. It reports whether there is such a keeper; otherwise
// the request waits for the next keeper and replaces an earlier one. It returns a fault.Conflict if a keeper is
// working on another request.
func Ask(path, keeperLock string, r Request) (called bool, err error) {
	_, kept := lock.Holder(keeperLock)
	if other, ok := readRequest(path); ok && kept {
		return false, fault.New(fault.Conflict, "the upgrade to %s is under way", name(other.Program)).
			WithHint("Wait a moment; `muster status` tells which version is at work.")
	}
	if err := replace.JSON(path, r); err != nil {
		return false, fault.Wrap(fault.Failed, err, "ask for the upgrade")
	}
	// Signal again: a keeper that has just started may have looked before the file existed. If it died, the next
	// keeper finds the file.
	return Wake(keeperLock) || kept, nil
}

// Wake signals the keeper that holds a lock, and reports whether there is one. The keeper looks for a request and starts the
// supervisor at once; after several crashes it may be waiting for up to a minute.
func Wake(keeperLock string) (kept bool) {
	keeper, kept := lock.Holder(keeperLock)
	if !kept {
		return false
	}
	if p, err := host.Identify(keeper); err == nil {
		_ = p.Signal(sigUpgrade) // it may have died
	}
	return true
}

// Drop removes a request, unless a keeper is working on it.
func Drop(path, keeperLock string) error {
	if _, kept := lock.Holder(keeperLock); kept {
		return nil
	}
	return removeFile(path)
}

// ReadOutcome returns the outcome of a request, if there is one yet.
func ReadOutcome(path, id string) (Outcome, bool) {
	var o Outcome
	b, err := regular.Read(path, 1<<20)
	if err != nil || json.Unmarshal(b, &o) != nil || o.ID != id {
		return Outcome{}, false
	}
	return o, true
}

func readRequest(path string) (Request, bool) {
	var r Request
	b, err := regular.Read(path, 1<<20)
	if err != nil || json.Unmarshal(b, &r) != nil || r.Program == "" {
		return Request{}, false
	}
	return r, true
}

// removeFile removes a file if it exists.
func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", path, err)
	}
	return nil
}
