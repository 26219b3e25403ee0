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

// sigUpgrade is the signal that tells a keeper to look for an Request.
const sigUpgrade = syscall.SIGUSR1

// Request asks the keeper to go on with another program.
type Request struct {
	ID      string `json:"id"`      // names its outcome
	From    string `json:"from"`    // name of the program in whose place it shall be; "" for any
	Program string `json:"program"` // absolute path of the program
	Tries   int    `json:"tries"`   // how often a keeper took it up; it may be killed in the middle
}

// Outcome is what became of an Request.
type Outcome struct {
	ID   string `json:"id"`
	From string `json:"from"` // path of the program before
	To   string `json:"to"`   // path of the program that was asked for
	// Why the program before is back; "" if the other one is at work.
	Why string `json:"why,omitempty"`
	// Away is how long there was no supervisor: from the word to the old one to end until one was ready. 0 if there
	// was none before.
	Away time.Duration `json:"away"`
}

// Upgrades is what a keeper needs to come to another program, and back. The zero value never does.
type Upgrades struct {
	Request      string                          // path of the file that holds the request, until it has an outcome
	Outcome      string                          // path of the file that holds the newest outcome
	Adopt        func(program string) error      // the program is the fleet's from now on
	RestoreState func(ctx context.Context) error // has the state be one that the program before can read
}

// Handoff is what the keeper tells a supervisor that it starts. From and To are names of programs, and "" but after an
// upgrade; Why is why that was taken back.
type Handoff struct {
	From  string    `json:"from,omitempty"`
	To    string    `json:"to,omitempty"`
	Why   string    `json:"why,omitempty"`
	Since time.Time `json:"since,omitzero"` // when the supervisor before was told to end
}

// ReadHandoff reads environ.Handoff. It returns that, and a function which tells the keeper that this supervisor is ready;
// without a keeper the function does nothing. Call it once, and before any other program is started, which would
// inherit the keeper's pipe.
func ReadHandoff(getenv func(string) string) (kept Handoff, ready func()) {
	value := getenv(environ.Handoff)
	if value == "" || json.Unmarshal([]byte(value), &kept) != nil {
		return Handoff{}, func() {}
	}
	syscall.CloseOnExec(run.WordFD)
	pipe := os.NewFile(run.WordFD, "keeper")
	return kept, func() {
		_, _ = pipe.WriteString("ready\n")
		_ = pipe.Close()
	}
}

// Ask leaves a request and calls the keeper that holds a lock. It reports whether there is one; else the request
// waits for the next, in the place of one that waited. fault.Conflict: a keeper has another in hand.
func Ask(path, keeperLock string, r Request) (called bool, err error) {
	_, kept := lock.Holder(keeperLock)
	if other, ok := readRequest(path); ok && kept {
		return false, fault.New(fault.Conflict, "the upgrade to %s is under way", name(other.Program)).
			WithHint("Wait a moment; `muster status` tells which version is at work.")
	}
	if err := replace.JSON(path, r); err != nil {
		return false, fault.Wrap(fault.Failed, err, "ask for the upgrade")
	}
	// One that has come just now may have looked too early: it is told again. One that has died leaves it to the next.
	return Wake(keeperLock) || kept, nil
}

// Wake calls the keeper that holds a lock, and reports whether there is one. It looks for a request, and starts the
// supervisor now: after several crashes it may be waiting for up to a minute.
func Wake(keeperLock string) (kept bool) {
	keeper, kept := lock.Holder(keeperLock)
	if !kept {
		return false
	}
	if p, err := host.Identify(keeper); err == nil {
		_ = p.Signal(sigUpgrade) // one that died this moment needs no hurry
	}
	return true
}

// Drop takes a request back, unless a keeper has it in hand.
func Drop(path, keeperLock string) error {
	if _, kept := lock.Holder(keeperLock); kept {
		return nil
	}
	return removeFile(path)
}

// ReadOutcome gives the outcome of a request, if there is one yet.
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

// removeFile removes a file that need not be there.
func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", path, err)
	}
	return nil
}
