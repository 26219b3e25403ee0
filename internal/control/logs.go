package control

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"muster/internal/cast"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/fleet"
	"muster/internal/regular"
	"muster/internal/store"
)

// maxLog is the largest file that is read as a log, in bytes.
const maxLog = 256 << 20

// scrollback is the number of lines before the visible screen in a terminal's log: all that the fleet's tmux keeps.
const scrollback = 50_000

// Sources of a log.
const (
	LogTerminal   = "terminal"   // the agent's terminal with its history
	LogRecords    = "records"    // the status records of a generation, a JSON object a line
	LogCheck      = "check"      // the output of a check
	LogSupervisor = "supervisor" // the supervisor's own log
)

// Log asks for the log of a task: the text of its agent's terminal while its session exists, otherwise the records of
// its newest generation.
type Log struct {
	Ref        string // named as in One
	Supervisor bool   // the supervisor's log instead; Ref is ignored
	Check      string // the output of this check instead, in the newest round or the one that runs
	Round      int    // with Check: this round
	Gen        int    // the records of this generation instead
}

// TaskLog is a log that can be read again and again.
type TaskLog struct {
	Task   event.TaskID // "" for the supervisor's
	Source string       // one of the constants above
	// Recorded is true if the session is gone, and Replay has what its terminal showed.
	Recorded bool
	read     func(context.Context) (string, error)
}

// Read returns the present text. Agents and programs wrote it, so it must be cleaned before a terminal shows it.
// ErrNoScreen or fault.NotFound means that the text is gone.
func (l TaskLog) Read(ctx context.Context) (string, error) { return l.read(ctx) }

func (q Log) get(ctx context.Context, c *Control, db *store.Store) (TaskLog, error) {
	if q.Supervisor {
		return fileLog("", LogSupervisor, c.home.Log()), nil
	}
	t, err := One{q.Ref}.get(ctx, c, db)
	if err != nil {
		return TaskLog{}, err
	}
	switch {
	case q.Check != "":
		return q.check(ctx, c, db)
	case q.Gen != 0 && (q.Gen < 1 || q.Gen > t.Gen):
		return TaskLog{}, fault.New(fault.NotFound, "%s has no generation %d", t.ID, q.Gen).WithHint("It has %d.", t.Gen)
	case q.Gen != 0:
		return c.records(t.ID, q.Gen), nil
	}
	l := TaskLog{Task: t.ID, Source: LogTerminal, read: func(ctx context.Context) (string, error) {
		return c.screen(ctx, t.ID, scrollback)
	}}
	if _, err := l.Read(ctx); !errors.Is(err, ErrNoScreen) {
		return l, err
	}
	if t.Gen == 0 {
		return l, noSession(t, fleet.RoleAgent)
	}
	l = c.records(t.ID, t.Gen)
	l.Recorded = cast.Any(c.home, t.ID, t.Gen)
	return l, nil
}

// check returns the output of a check in the running round or in one that was judged.
func (q Log) check(ctx context.Context, c *Control, db *store.Store) (TaskLog, error) {
	judged, err := Checks{Ref: q.Ref}.get(ctx, c, db)
	if err != nil {
		return TaskLog{}, err
	}
	t := judged.Task
	a, _ := t.Action(event.ActCheck)
	if check, running := a.Args.(event.CheckArgs); running && (q.Round == 0 || q.Round == check.Round) {
		path := filepath.Join(c.home.JobDir(t.ID, fleet.RoundName(check.Round, a.ID)), filepath.Base(q.Check)+".log")
		if _, err := os.Stat(path); err == nil {
			return fileLog(t.ID, LogCheck, path), nil
		}
	}
	r, err := judged.Result(q.Check, q.Round)
	return fileLog(t.ID, LogCheck, r.Log), err
}

// records returns the log of what a generation reported.
func (c *Control) records(id event.TaskID, gen int) TaskLog {
	return TaskLog{Task: id, Source: LogRecords, read: func(context.Context) (string, error) {
		data, err := regular.Read(c.home.StatusFile(id, gen), maxLog)
		if errors.Is(err, fs.ErrNotExist) {
			data, err = regular.Read(filepath.Join(c.home.Gen(id, gen).Dir, "status.jsonl"), maxLog)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return "", fault.Wrap(fault.NotFound, err, "the records of generation %d are gone", gen).
				WithHint("`muster events --task %s` has those that counted.", id)
		}
		return string(data), err
	}}
}

func fileLog(id event.TaskID, source, path string) TaskLog {
	return TaskLog{Task: id, Source: source, read: func(context.Context) (string, error) {
		data, err := regular.Read(path, maxLog)
		if errors.Is(err, fs.ErrNotExist) {
			return "", fault.Wrap(fault.NotFound, err, "the log does not exist or was removed")
		}
		return string(data), err
	}}
}

// Checks asks for the rounds of checks of a task.
type Checks struct {
	Ref   string // named as in One
	Round int    // only this round; 0 is all
}

// TaskChecks are rounds of checks, oldest first.
type TaskChecks struct {
	TaskDetail
}

func (q Checks) get(ctx context.Context, c *Control, db *store.Store) (TaskChecks, error) {
	d, err := Detail{q.Ref}.get(ctx, c, db)
	if err != nil {
		return TaskChecks{}, err
	}
	if q.Round != 0 {
		if d.Rounds = only(d.Rounds, q.Round); len(d.Rounds) == 0 {
			return TaskChecks{}, fault.New(fault.NotFound, "%s has no round %d", d.Task.ID, q.Round).
				WithHint("`muster checks %s` lists them.", d.Task.ID)
		}
	}
	return TaskChecks{d}, nil
}

// only returns the rounds with number n; all of them if n is 0.
func only(rounds []store.RoundRow, n int) (out []store.RoundRow) {
	for _, r := range rounds {
		if n == 0 || r.Round == n {
			out = append(out, r)
		}
	}
	return out
}

// Result returns the newest result with a log of a check, in one round or in all (0).
func (c TaskChecks) Result(check string, round int) (event.CheckResult, error) {
	var found event.CheckResult
	for _, r := range only(c.Rounds, round) {
		for _, res := range r.Results {
			if res.Name == check && (res.Log != "" || res.Review != "") {
				found = res
			}
		}
	}
	if found.Log == "" && found.Review == "" {
		return found, fault.New(fault.NotFound, "no round of %s has a check %q", c.Task.ID, check).
			WithHint("`muster checks %s` lists them.", c.Task.ID)
	}
	return found, nil
}
