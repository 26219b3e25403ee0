package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"muster/internal/boot"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/git"
	"muster/internal/host"
	"muster/internal/intake"
	"muster/internal/life"
	"muster/internal/store"
	"muster/internal/text"
	"muster/internal/words"
)

// Preflight asks whether the fleet can be left alone: its supervisor and its machine, and for each task that has work to do its
// repository, its agent and its accounts, in the environment with which the fleet was started.
type Preflight struct {
	// Trials are the checks that are tried on the bases; nil tries none.
	Trials *Trials
}

// nearEnd is the share of a usage limit, in percent, above which the night may meet it.
const nearEnd = 80

func (q Preflight) get(ctx context.Context, c *Control, db *store.Store) ([]Finding, error) {
	f, err := c.fleet()
	if err != nil {
		return nil, err
	}
	status, err := Status{}.get(ctx, c, db)
	if err != nil {
		return nil, err
	}
	var tasks []life.Task
	for t, err := range db.Unfinished(ctx) {
		if err != nil {
			return nil, err
		}
		tasks = append(tasks, t)
	}
	if status.Supervisor.Running { // it does not see what the caller's shell has set since
		f.Environ = f.Saved
	}
	out := slices.Concat(preflightFleet(status), diagnosePrograms(ctx, f.Environ), diagnoseMachine(f), preflightPower(host.ReadSleep()))
	accounts, err := Accounts{}.get(ctx, c, db)
	if err != nil {
		return nil, err
	}
	out = append(out, preflightTasks(tasks)...)
	out = append(out, preflightAgents(ctx, f, tasks)...)
	out = append(out, c.preflightRepositories(ctx, f, tasks)...)
	out = append(out, c.preflightPushes(ctx, tasks)...)
	out = append(out, preflightForges(ctx, f, tasks)...)
	out = append(out, c.preflightClock(ctx, f, db, tasks)...)
	notices, err := preflightNotices(ctx, f, db)
	if err != nil {
		return nil, err
	}
	out = slices.Concat(out, preflightAccounts(accounts), preflightRecurring(ctx, f), notices)
	if q.Trials == nil {
		if err := c.sweepTrial(ctx, f); err != nil {
			out = append(out, finding("base", "", err))
		}
		return append(out, Finding{Check: "base", Level: LevelWarning, Text: "the checks were not tried on what tasks start from", Hint: "Try them: muster preflight"}), nil
	}
	tried, err := c.preflightTrials(ctx, *q.Trials)
	return append(out, tried...), err
}

// preflightFleet returns whether somebody looks after the tasks.
func preflightFleet(s FleetStatus) []Finding {
	supervisor := Finding{Check: "supervisor", Level: LevelOK, Text: fmt.Sprintf("runs as process %d", s.Supervisor.PID)}
	switch {
	case s.Down:
		supervisor = Finding{Check: "supervisor", Level: LevelError, Text: "the fleet was told to be down", Hint: "Run: muster up"}
	case !s.Supervisor.Running:
		supervisor = Finding{Check: "supervisor", Level: LevelError, Text: "no supervisor runs", Hint: "Run: muster up"}
	case s.Supervisor.Stuck || s.Hung > 0 || !s.Healthy:
		supervisor = Finding{Check: "supervisor", Level: LevelError, Text: "it does not get on", Hint: "See: muster status"}
	}
	out := []Finding{supervisor}
	if s.Gate != "" {
		out = append(out, Finding{Check: "gate", Level: LevelError, Text: "nothing new starts: " + s.Gate, Hint: "See: muster status"})
	}
	return out
}

// preflightPower returns what may make the machine sleep.
func preflightPower(s host.Sleep) []Finding {
	var out []Finding
	add := func(level, text, hint string) {
		out = append(out, Finding{Check: "sleep", Level: level, Text: text, Hint: hint})
	}
	if s.Battery {
		add(LevelError, "this machine runs on its battery", "Connect it.")
	}
	if s.Lid != "" {
		add(LevelWarning, fmt.Sprintf("closing the lid makes it %s (HandleLidSwitch)", s.Lid),
			"Leave the lid open, or run: systemd-inhibit --what=handle-lid-switch sleep 12h")
	}
	if s.Idle != "" {
		add(LevelError, fmt.Sprintf("an idle session makes it %s (IdleAction)", s.Idle), "Run: systemd-inhibit --what=idle:sleep sleep 12h")
	}
	if len(out) == 0 {
		add(LevelOK, "nothing is known that makes this machine sleep", "")
	}
	return out
}

// preflightTasks returns what the night has to do, and what waits for a person already.
func preflightTasks(tasks []life.Task) []Finding {
	var asks, parked []event.TaskID
	work := 0
	for _, t := range tasks {
		switch {
		case t.State == event.Waiting:
			asks = append(asks, t.ID)
			work++
		case t.State == event.Parked:
			parked = append(parked, t.ID)
		case !t.State.Final():
			work++
		}
	}
	todo := Finding{Check: "tasks", Level: LevelOK, Text: words.Count(work, "task") + " to work on"}
	if work == 0 {
		todo.Level, todo.Hint = LevelWarning, "Queue some: muster dispatch PROMPT"
	}
	out := []Finding{todo}
	if len(asks) > 0 {
		out = append(out, Finding{
			Check: "tasks", Level: LevelWarning, Text: fmt.Sprintf("%s asks and will be parked if nobody answers", text.Some(asks, maxListed)), Hint: "See: muster show " + string(asks[0]),
		})
	}
	if len(parked) > 0 {
		out = append(out, Finding{Check: "tasks", Level: LevelWarning, Text: text.Some(parked, maxListed) + " is parked, and waits for you", Hint: "See: muster show " + string(parked[0])})
	}
	return out
}

// maxListed bounds the tasks that a finding names.
const maxListed = 5

// works reports whether a task will need its agent without a person's help.
func works(t life.Task) bool { return !t.State.Final() && t.State != event.Parked && !t.Stopping }

// preflightAgents tries each agent that tasks need, once in each repository, because trust belongs to a repository.
func preflightAgents(ctx context.Context, f boot.Fleet, tasks []life.Task) []Finding {
	type place struct{ agent, repo string }
	var out []Finding
	seen := map[place]bool{}
	for _, t := range tasks {
		at := place{t.Spec.Agent, t.Spec.Repo}
		if !works(t) || seen[at] {
			continue
		}
		seen[at] = true
		err := intake.New(f, t.Spec.Repo).CheckTask(ctx, t.Spec)
		got := finding("agent", fmt.Sprintf("%s starts in %s", t.Spec.Agent, t.Spec.Repo), err)
		if err != nil {
			got.Text = fmt.Sprintf("%s cannot start in %s (%s): %s", t.Spec.Agent, t.Spec.Repo, t.ID, strings.TrimPrefix(got.Text, "agent "))
		}
		out = append(out, got)
	}
	return out
}

// preflightRepositories looks for each repository and base that tasks start from, and for room for their worktrees.
func (c *Control) preflightRepositories(ctx context.Context, f boot.Fleet, tasks []life.Task) []Finding {
	type place struct{ repo, base string }
	begins := map[place][]life.Task{}
	var order []place
	unchecked := 0
	for _, t := range tasks {
		if !works(t) {
			continue
		}
		if len(t.Spec.Checks)+len(t.Spec.Reviews) == 0 {
			unchecked++
		}
		if t.Worktree != "" || strings.HasPrefix(t.Spec.Base, "@") {
			continue
		}
		at := place{t.Spec.Repo, t.Spec.Base}
		if begins[at] == nil {
			order = append(order, at)
		}
		begins[at] = append(begins[at], t)
	}
	var out []Finding
	need := uint64(0)
	for _, at := range order {
		size, err := c.baseSize(ctx, begins[at][0])
		good := fmt.Sprintf("%s start from %s of %s", words.Count(len(begins[at]), "task"), cmp.Or(at.base, "HEAD"), at.repo)
		got := finding("repository", good, err)
		if err != nil {
			got.Text = fmt.Sprintf("%s of %s: %s", begins[at][0].ID, at.repo, got.Text)
		}
		out = append(out, got)
		need += size * uint64(len(begins[at]))
	}
	if unchecked > 0 {
		out = append(out, Finding{
			Check: "checks", Level: LevelWarning, Text: words.Count(unchecked, "task") + " without checks: all their work passes", Hint: "Write [checks] into muster.toml before you dispatch.",
		})
	}
	if d, err := host.DiskAt(string(f.Home)); err == nil && need > 0 {
		least := uint64(max(0, f.Config.Fleet.MinFreeDisk))
		room := Finding{Check: "disk", Level: LevelOK, Text: fmt.Sprintf("%d MiB are free, and the worktrees to come need %d MiB", d.Free>>20, need>>20)}
		if d.Free < need+least {
			room.Level, room.Hint = LevelError, fmt.Sprintf("Free some on the disk of %s; muster stops starting agents at %d MiB.", f.Home, least>>20)
		}
		out = append(out, room)
	}
	return out
}

// preflightPushes asks each remote that tasks push to whether it lets this fleet write. Nothing is sent.
func (c *Control) preflightPushes(ctx context.Context, tasks []life.Task) []Finding {
	type place struct{ repo, remote string }
	var out []Finding
	seen := map[place]bool{}
	for _, t := range tasks {
		at := place{t.Spec.Repo, t.Spec.Remote}
		if !works(t) || t.Spec.Remote == "" || seen[at] {
			continue
		}
		seen[at] = true
		err := c.tryPush(ctx, t)
		got := finding("push", fmt.Sprintf("%s of %s accepts pushes", t.Spec.Remote, t.Spec.Repo), err)
		if errors.Is(err, git.ErrLogin) || errors.Is(err, git.ErrUnreachable) || errors.Is(err, git.ErrDeclined) {
			got.Hint = "Try it: " + git.TryPushCommand(t.Spec.Repo, t.Spec.Remote)
		}
		out = append(out, got)
	}
	return out
}

// tryPush asks the remote of a task whether it would take a new branch.
func (c *Control) tryPush(ctx context.Context, t life.Task) error {
	repo, err := c.repository(ctx, t)
	if err != nil {
		return err
	}
	commit, err := repo.Resolve(ctx, "HEAD")
	if err != nil {
		return err
	}
	return repo.TryPush(ctx, git.PushSpec{Remote: t.Spec.Remote, Branch: "muster/preflight", Commit: commit, Task: string(t.ID)})
}

// baseSize returns the size of the commit that a task starts from, in bytes.
func (c *Control) baseSize(ctx context.Context, t life.Task) (uint64, error) {
	repo, err := c.repository(ctx, t)
	if err != nil {
		return 0, err
	}
	size, err := repo.TreeSize(ctx, cmp.Or(t.Spec.Base, "HEAD"))
	if err != nil {
		return 0, fault.Wrap(fault.CodeOf(err), err, "the base").WithHint("Look at it: git -C %s log %s", text.Quote(t.Spec.Repo), text.Quote(t.Spec.Base))
	}
	return size, nil
}

// preflightAccounts returns the accounts that rest, or whose limit the night may meet.
func preflightAccounts(all []AccountStatus) []Finding {
	var out []Finding
	for _, a := range all {
		switch {
		case a.State == string(event.RestAuth) || a.State == string(event.RestBilling):
			out = append(out, Finding{
				Check: "account", Level: LevelError, Text: fmt.Sprintf("%s does not work: %s", a.Name, a.State), Hint: fmt.Sprintf("Mend it, then run: muster accounts wake %s", a.Name),
			})
			continue
		case a.State != accountFree:
			text := fmt.Sprintf("%s rests: %s", a.Name, a.Cause)
			if a.Until != nil {
				text += ", until " + a.Until.Local().Format("15:04")
			}
			out = append(out, Finding{Check: "account", Level: LevelWarning, Text: text, Hint: fmt.Sprintf("It is tried by itself. To try it now: muster accounts wake %s", a.Name)})
			continue
		}
		near := false
		for _, w := range a.Windows {
			if w.UsedPercent >= nearEnd {
				near = true
				out = append(out, Finding{Check: "account", Level: LevelWarning, Text: fmt.Sprintf("%s has used %.0f %% of its limit %s", a.Name, w.UsedPercent, w.Name)})
			}
		}
		if !near {
			out = append(out, Finding{Check: "account", Level: LevelOK, Text: fmt.Sprintf("%s is free", a.Name)})
		}
	}
	return out
}
