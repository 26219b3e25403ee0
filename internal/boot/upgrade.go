package boot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"muster/internal/keeper"
	"muster/internal/lock"

	"muster/internal/fault"
	"muster/internal/run"
	"muster/internal/store"
	"muster/internal/text"
)

const (
	versionLimit   = 10 * time.Second // for a program to print its version
	preflightLimit = 5 * time.Minute  // for the copy of a long log
	// upgradeLimit is the keeper's: it ends one supervisor, waits for another, and rolls back in the worst case.
	upgradeLimit = time.Minute
)

// Upgraded is the outcome of an upgrade.
type Upgraded struct {
	Upgraded   bool   `json:"upgraded"`    // the fleet runs the new program now
	Already    bool   `json:"already"`     // the fleet had this program before
	Pending    bool   `json:"pending"`     // the fleet is not up; the next `up` uses it
	RolledBack bool   `json:"rolled_back"` // the previous version runs again
	From       string `json:"from"`        // names of programs in the state directory's bin
	To         string `json:"to"`
	Version    string `json:"version"`
	Why        string `json:"why,omitempty"`     // the reason for a rollback
	AwayMS     int64  `json:"away_ms,omitempty"` // how long no supervisor ran
}

// Upgrade replaces the fleet's program. Until it asks the keeper, it changes nothing of the fleet; afterwards the
// keeper needs this process no longer.
func (f Fleet) Upgrade(ctx context.Context, binary string) (Upgraded, error) {
	upgrading, err := lock.TakeUnsigned(f.Home.UpgradeLock())
	switch {
	case errors.Is(err, lock.ErrHeld):
		return Upgraded{}, fault.New(fault.Conflict, "another `muster upgrade` is under way").WithHint("Wait until it has ended.")
	case err != nil:
		return Upgraded{}, err
	}
	defer lock.Release(upgrading)
	version, err := f.versionOf(ctx, binary)
	if err != nil {
		return Upgraded{}, err
	}
	program, made, err := deposit(binary, version, f.Home)
	if err != nil {
		return Upgraded{}, err
	}
	was, _ := os.Readlink(f.Home.Program()) // an error means that the fleet was never up
	r := Upgraded{From: filepath.Base(was), To: filepath.Base(program), Version: version}
	if was == "" {
		r.From = ""
	}
	if program == was {
		r.Already = true
		return r, keeper.Drop(f.Home.Upgrade(), f.Home.KeeperLock()) // cancel an older request for another program
	}
	f.Tell("trying %s on a copy of the state", r.To)
	if err := f.tryOn(ctx, program); err != nil {
		if made {
			_ = os.Remove(program)
		}
		return r, err
	}
	f.Tell("waiting for a supervisor of %s", r.To)
	return f.change(ctx, program, r)
}

var goodVersion = text.Pattern(`^[0-9A-Za-z.+_-]{1,100}$`)

// versionOf runs a program to ask for its version of muster.
func (f Fleet) versionOf(ctx context.Context, binary string) (string, error) {
	st, err := os.Stat(binary)
	switch {
	case err != nil:
		return "", fault.Wrap(fault.NotFound, err, "no program %s", binary).WithHint("Name the new muster: muster upgrade BINARY")
	case !st.Mode().IsRegular() || st.Mode().Perm()&0o111 == 0:
		return "", fault.New(fault.Conflict, "%s is not an executable file", binary).WithHint("Make it executable: chmod +x %s", binary)
	}
	res, err := run.Do(ctx, run.Cmd{Argv: []string{binary, "version", "--json"}, Env: f.Environ, Timeout: versionLimit})
	var said struct {
		Version string `json:"version"`
		Go      string `json:"go"`
	}
	if err == nil {
		err = json.Unmarshal(res.Stdout, &said)
	}
	if err == nil && (said.Go == "" || !goodVersion().MatchString(said.Version)) {
		err = errors.New("it does not print its version")
	}
	if err != nil {
		return "", fault.Wrap(fault.Conflict, err, "%s is not a muster binary", binary).WithHint("Nothing was changed. Name another program.")
	}
	return said.Version, nil
}

// Understood is the output of a program that can take over a fleet. Another version parses it, so its fields keep
// their names.
type Understood struct {
	Understood bool   `json:"understood"`
	Version    string `json:"version"`
	Events     int    `json:"events"`
	Live       int    `json:"live"` // live tasks
}

// tryOn lets a program migrate and read a copy of the state. This process does not open the state itself, because it
// may be the newer version and would migrate it.
func (f Fleet) tryOn(ctx context.Context, program string) error {
	old, _ := filepath.Glob(filepath.Join(string(f.Home), ".preflight-*")) // left over from a killed process
	for _, dir := range old {
		_ = os.RemoveAll(dir)
	}
	dir, err := os.MkdirTemp(string(f.Home), ".preflight-*")
	if err != nil {
		return fault.Wrap(fault.Failed, err, "make a copy of the state").WithHint("Make %s writable and check the free space of its disk.", f.Home)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	copied := filepath.Join(dir, "muster.db")
	if _, err := os.Stat(f.Home.DB()); err == nil {
		if err := store.Copy(ctx, f.Home.DB(), copied); err != nil {
			return err
		}
	}
	res, err := run.Do(ctx, run.Cmd{
		Argv: []string{program, "supervise", "--preflight", copied}, Dir: dir, Timeout: preflightLimit,
		Env: f.environ(f.Environ),
	})
	var said Understood
	if err == nil {
		if json.Unmarshal(res.Stdout, &said) != nil || !said.Understood {
			err = errors.New("it does not report that it understands the state")
		}
	} else if words := strings.TrimSpace(string(res.Stderr)); words != "" && ctx.Err() == nil {
		err = errors.New(strings.TrimPrefix(words, "muster: "))
	}
	if err != nil {
		return fault.Wrap(fault.Conflict, err, "%s cannot take this fleet over", filepath.Base(program)).WithHint("Nothing was changed.")
	}
	return nil
}

// change asks the keeper to change to a program and waits for the outcome.
func (f Fleet) change(ctx context.Context, program string, r Upgraded) (Upgraded, error) {
	ask := keeper.Request{ID: fmt.Sprintf("%d.%d", f.Now().UnixNano(), os.Getpid()), From: r.From, Program: program}
	waits, err := keeper.Ask(f.Home.Upgrade(), f.Home.KeeperLock(), ask)
	if err != nil {
		return r, err
	}
	if !waits {
		held, err := lock.Held(f.Home.Lock())
		if err != nil {
			return r, err
		}
		if held {
			// It runs in a terminal, or it is about to end with its keeper.
			err := fault.New(fault.Conflict, "a supervisor without a keeper runs for %s", f.Home).
				WithHint("If it is in a terminal, end it there with Ctrl-C. Then run `muster upgrade` again.")
			return r, errors.Join(err, keeper.Drop(f.Home.Upgrade(), f.Home.KeeperLock()))
		}
		r.Pending = true
		return r, nil
	}
	limit, cancel := context.WithTimeout(ctx, upgradeLimit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if out, ok := keeper.ReadOutcome(f.Home.UpgradeOutcome(), ask.ID); ok {
			r.From, r.To, r.AwayMS = filepath.Base(out.From), filepath.Base(out.To), out.Away.Milliseconds()
			r.Upgraded, r.RolledBack, r.Why = out.Why == "", out.Why != "", out.Why
			return r, nil
		}
		select {
		case <-limit.Done():
			if ctx.Err() != nil {
				return r, ctx.Err()
			}
			return r, fault.New(fault.Timeout, "the keeper has not reported the outcome of the upgrade within %s", upgradeLimit).
				WithHint("`muster status` shows which version runs. The keeper continues; if it is gone, run `muster up`.")
		case <-tick.C:
		}
	}
}
