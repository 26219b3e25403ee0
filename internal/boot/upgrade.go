package boot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"muster/internal/keeper"
	"muster/internal/lock"

	"muster/internal/fault"
	"muster/internal/run"
	"muster/internal/store"
)

const (
	versionLimit   = 10 * time.Second // for a program to say which version it is
	preflightLimit = 5 * time.Minute  // for the copy of a long log
	// upgradeLimit is for the keeper: it ends one supervisor, waits for another, and goes back in the worst case.
	upgradeLimit = time.Minute
)

// Upgraded says what became of an upgrade.
type Upgraded struct {
	Upgraded   bool   `json:"upgraded"`    // it looks after the fleet now
	Already    bool   `json:"already"`     // it did before
	Pending    bool   `json:"pending"`     // the fleet is not up; the next `up` begins with it
	RolledBack bool   `json:"rolled_back"` // the version before is at work again
	From       string `json:"from"`        // names of programs in the state directory's bin
	To         string `json:"to"`
	Version    string `json:"version"`
	Why        string `json:"why,omitempty"`     // it was rolled back
	AwayMS     int64  `json:"away_ms,omitempty"` // how long nobody looked after the fleet
}

// Upgrade brings another program to the fleet. Until the keeper is asked, nothing of the fleet has changed; from then
// on it does not need this process.
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
	was, _ := os.Readlink(f.Home.Program()) // none: the fleet was never up
	r := Upgraded{From: filepath.Base(was), To: filepath.Base(program), Version: version}
	if was == "" {
		r.From = ""
	}
	if program == was {
		r.Already = true
		return r, keeper.Drop(f.Home.Upgrade(), f.Home.KeeperLock()) // and it stays
	}
	if err := f.tryOn(ctx, program); err != nil {
		if made {
			_ = os.Remove(program)
		}
		return r, err
	}
	return f.change(ctx, program, r)
}

var goodVersion = regexp.MustCompile(`^[0-9A-Za-z.+_-]{1,100}$`)

// versionOf asks a program which version of muster it is.
func (f Fleet) versionOf(ctx context.Context, binary string) (string, error) {
	st, err := os.Stat(binary)
	switch {
	case err != nil:
		return "", fault.Wrap(fault.NotFound, err, "no program %s", binary).WithHint("Name the new muster: muster upgrade BINARY")
	case !st.Mode().IsRegular() || st.Mode().Perm()&0o111 == 0:
		return "", fault.New(fault.Conflict, "%s is no program that can be run", binary).WithHint("Make it executable: chmod +x %s", binary)
	}
	res, err := run.Do(ctx, run.Cmd{Argv: []string{binary, "version", "--json"}, Env: f.Environ, Timeout: versionLimit})
	var said struct {
		Version string `json:"version"`
		Go      string `json:"go"`
	}
	if err == nil {
		err = json.Unmarshal(res.Stdout, &said)
	}
	if err == nil && (said.Go == "" || !goodVersion.MatchString(said.Version)) {
		err = errors.New("it does not say which version it is")
	}
	if err != nil {
		return "", fault.Wrap(fault.Conflict, err, "%s is not a muster binary", binary).WithHint("Nothing was changed. Name another program.")
	}
	return said.Version, nil
}

// Understood is what a program prints that can take a fleet over. Another version reads it, so its fields keep their
// names.
type Understood struct {
	Understood bool   `json:"understood"`
	Version    string `json:"version"`
	Events     int    `json:"events"`
	Live       int    `json:"live"` // tasks to be looked after
}

// tryOn lets a program take a copy of the state over. It must not open the state itself: it may be the newer one, and
// migrate it.
func (f Fleet) tryOn(ctx context.Context, program string) error {
	old, _ := filepath.Glob(filepath.Join(string(f.Home), ".preflight-*")) // of one that was killed
	for _, dir := range old {
		_ = os.RemoveAll(dir)
	}
	dir, err := os.MkdirTemp(string(f.Home), ".preflight-*")
	if err != nil {
		return fault.Wrap(fault.Failed, err, "make room for a copy of the state").WithHint("Make %s writable and see that its disk is not full.", f.Home)
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
			err = errors.New("it does not say that it understands the state")
		}
	} else if words := strings.TrimSpace(string(res.Stderr)); words != "" && ctx.Err() == nil {
		err = errors.New(strings.TrimPrefix(words, "muster: "))
	}
	if err != nil {
		return fault.Wrap(fault.Conflict, err, "%s cannot take this fleet over", filepath.Base(program)).WithHint("Nothing was changed.")
	}
	return nil
}

// change has the keeper go over to a program, and waits for the outcome.
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
			// In a terminal, or about to be ended with its keeper.
			err := fault.New(fault.Conflict, "a supervisor without a keeper looks after %s", f.Home).
				WithHint("If it is in a terminal, end it there with Ctrl-C. Then say `muster upgrade` again.")
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
			return r, fault.New(fault.Timeout, "the keeper has not said what became of the upgrade within %s", upgradeLimit).
				WithHint("`muster status` tells which version is at work. The keeper goes on; if it is gone, `muster up` does.")
		case <-tick.C:
		}
	}
}
