package cli

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

	"github.com/gofrs/flock"
	"github.com/spf13/cobra"

	"muster/internal/fault"
	"muster/internal/launch"
	"muster/internal/lock"
	"muster/internal/run"
	"muster/internal/store"
)

const upgradeHelp = `Have another version of muster look after the fleet: the program BINARY, or else the one that you
call. Agents are not touched, and their hooks go on with the version that started them. It is first tried on a
copy of the state, and where it does not get ready in time the version before is back by itself.
Exit code 1: it was rolled back. Exit code 4: it was refused, and nothing was changed.

  muster upgrade ./muster-1.5
  ~/.local/bin/muster upgrade`

const (
	versionLimit   = 10 * time.Second // for a program to say which version it is
	preflightLimit = 5 * time.Minute  // for the copy of a long log
	// upgradeLimit is for the keeper: it ends one supervisor, waits for another, and goes back in the worst case.
	upgradeLimit = time.Minute
)

// upgradeReport is what `upgrade --json` prints.
type upgradeReport struct {
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

func newUpgradeCommand(env Env) *cobra.Command {
	var asJSON bool
	c := verb(&cobra.Command{
		Use: "upgrade [BINARY]", Short: "Have another version look after the fleet", Long: upgradeHelp, Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault // files
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := openFleet(env)
			if err != nil {
				return err
			}
			binary := env.Exe
			if len(args) > 0 {
				binary = args[0]
				if !filepath.IsAbs(binary) {
					binary = filepath.Join(env.Dir, binary)
				}
			}
			r, err := f.upgrade(cmd.Context(), binary)
			if err != nil {
				return err
			}
			if err := r.tell(env, f, asJSON); err != nil {
				return err
			}
			f.sweep(cmd.Context())
			return nil
		},
	}, groupRun)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// tell says what became of it; an error if it was rolled back.
func (r upgradeReport) tell(env Env, f fleetEnv, asJSON bool) error {
	if asJSON {
		err := printJSON(env.Stdout, r)
		if err == nil && r.RolledBack {
			err = quiet(fault.Failed)
		}
		return err
	}
	away := ""
	if r.AwayMS > 0 {
		away = fmt.Sprintf("; the fleet was unattended for %d ms", r.AwayMS)
	}
	switch {
	case r.Already:
		return env.say(r.To + " is the fleet's program already.")
	case r.Pending:
		return env.say("The fleet is not up. The next `muster up` begins with " + r.To + ".")
	case r.RolledBack:
		return fault.New(fault.Failed, "%s is back, since %s failed: %s%s", r.From, r.To, r.Why, away).
			WithHint("No agent was touched. Look at %s and at the supervisor's pane: %s", f.home.Log(), printable(f.server().AttachArgv(hubSession, false)))
	}
	return env.say(fmt.Sprintf("%s looks after the fleet, in place of %s%s.", r.To, r.From, away))
}

// upgrade brings another program to the fleet. Until the keeper is asked, nothing of the fleet has changed; from then
// on it does not need this process.
func (f fleetEnv) upgrade(ctx context.Context, binary string) (upgradeReport, error) {
	lock := flock.New(f.home.UpgradeLock())
	if ok, err := lock.TryLock(); err != nil || !ok {
		return upgradeReport{}, fault.Wrap(fault.Conflict, err, "another `muster upgrade` is under way").WithHint("Wait until it has ended.")
	}
	defer func() { _ = lock.Unlock() }()
	version, err := f.versionOf(ctx, binary)
	if err != nil {
		return upgradeReport{}, err
	}
	program, made, err := deposit(binary, version, f.home)
	if err != nil {
		return upgradeReport{}, err
	}
	was, _ := os.Readlink(f.home.Program()) // none: the fleet was never up
	r := upgradeReport{From: filepath.Base(was), To: filepath.Base(program), Version: version}
	if was == "" {
		r.From = ""
	}
	if program == was {
		r.Already = true
		return r, launch.DropUpgrade(f.home.Upgrade(), f.home.KeeperLock()) // and it stays
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
func (f fleetEnv) versionOf(ctx context.Context, binary string) (string, error) {
	st, err := os.Stat(binary)
	switch {
	case err != nil:
		return "", fault.Wrap(fault.NotFound, err, "no program %s", binary).WithHint("Name the new muster: muster upgrade BINARY")
	case !st.Mode().IsRegular() || st.Mode().Perm()&0o111 == 0:
		return "", fault.New(fault.Conflict, "%s is no program that can be run", binary).WithHint("Make it executable: chmod +x %s", binary)
	}
	res, err := run.Do(ctx, run.Cmd{Argv: []string{binary, "version", "--json"}, Env: f.env.Environ, Timeout: versionLimit})
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
		return "", fault.Wrap(fault.Conflict, err, "%s is no muster", binary).WithHint("Nothing was changed. Name another program.")
	}
	return said.Version, nil
}

// tryOn lets a program take a copy of the state over. It must not open the state itself: it may be the newer one, and
// migrate it.
func (f fleetEnv) tryOn(ctx context.Context, program string) error {
	old, _ := filepath.Glob(filepath.Join(string(f.home), ".preflight-*")) // of one that was killed
	for _, dir := range old {
		_ = os.RemoveAll(dir)
	}
	dir, err := os.MkdirTemp(string(f.home), ".preflight-*")
	if err != nil {
		return fault.Wrap(fault.Failed, err, "make room for a copy of the state").WithHint("Make %s writable and see that its disk is not full.", f.home)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	copied := filepath.Join(dir, "muster.db")
	if _, err := os.Stat(f.home.DB()); err == nil {
		if err := store.Copy(ctx, f.home.DB(), copied); err != nil {
			return err
		}
	}
	res, err := run.Do(ctx, run.Cmd{
		Argv: []string{program, "supervise", "--preflight", copied}, Dir: dir, Timeout: preflightLimit,
		Env: overlay(f.env.Environ, []string{"MUSTER_HOME=" + string(f.home)}),
	})
	var said understood
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
func (f fleetEnv) change(ctx context.Context, program string, r upgradeReport) (upgradeReport, error) {
	ask := launch.UpgradeRequest{ID: fmt.Sprintf("%d.%d", f.env.Now().UnixNano(), os.Getpid()), From: r.From, Program: program}
	waits, err := launch.AskUpgrade(f.home.Upgrade(), f.home.KeeperLock(), ask)
	if err != nil {
		return r, err
	}
	if !waits {
		held, err := lock.Held(f.home.Lock())
		if err != nil {
			return r, err
		}
		if held {
			// In a terminal, or about to be ended with its keeper.
			err := fault.New(fault.Conflict, "a supervisor without a keeper looks after %s", f.home).
				WithHint("If it is in a terminal, end it there with Ctrl-C. Then say `muster upgrade` again.")
			return r, errors.Join(err, launch.DropUpgrade(f.home.Upgrade(), f.home.KeeperLock()))
		}
		r.Pending = true
		return r, nil
	}
	limit, cancel := context.WithTimeout(ctx, upgradeLimit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if out, ok := launch.ReadUpgrade(f.home.UpgradeOutcome(), ask.ID); ok {
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
