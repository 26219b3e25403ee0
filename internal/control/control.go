package control

import (
	"context"
	"errors"
	"os"
	"strconv"
	"time"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/home"
	"muster/internal/life"
	"muster/internal/store"
)

// Options say how a fleet is opened. The zero value is for production.
type Options struct {
	Now     func() time.Time // time.Now if nil
	Version string           // this program's version; "" takes what it was built as
}

// Control is a fleet as its front ends see it. All methods may be called from any goroutine.
type Control struct {
	home  home.Dir
	store *store.Store
}

// Open opens the fleet of a state directory, which it makes if it is not there. No supervisor is needed.
func Open(ctx context.Context, h home.Dir, o Options) (*Control, error) {
	if _, err := os.Stat(h.DB()); errors.Is(err, os.ErrNotExist) {
		if err := h.Create(); err != nil {
			return nil, err
		}
	}
	s, err := store.Open(ctx, h.DB(), store.Options{Now: o.Now, Version: o.Version})
	if err != nil {
		return nil, err
	}
	return &Control{home: h, store: s}, nil
}

// Close ends all use of the fleet's files.
func (c *Control) Close() error { return c.store.Close() }

// Home is the state directory.
func (c *Control) Home() home.Dir { return c.home }

// Command is one of the types of this package that change something.
type Command interface {
	// do checks what must hold and appends what is asked for.
	do(tx *store.Tx) (Outcome, error)
}

// Outcome tells what a command has made.
type Outcome struct {
	Task    event.TaskID    // the task it was about; of a dispatch the first
	Tasks   []event.TaskID  // all tasks of a dispatch, in order
	Message event.MessageID // the message that Send has queued
	Seq     int64           // the newest event when it was done: Watch from here to see what comes of it
}

// Do takes a command: it is durably in the log when Do returns, whether a supervisor runs or not, and carried out by
// the supervisor. fault.Conflict: something that must hold does not, and nothing was changed.
func (c *Control) Do(ctx context.Context, cmd Command) (Outcome, error) {
	var out Outcome
	var before int64
	err := c.store.Request(ctx, func(tx *store.Tx) (err error) {
		before = tx.Seq()
		out, err = cmd.do(tx)
		out.Seq = tx.Seq()
		return err
	})
	if err != nil {
		return Outcome{}, err
	}
	if out.Seq > before {
		c.wake(out.Seq)
	}
	return out, nil
}

// wake tells the supervisor that there is something new. That it fails is no failure of the command, which is in the
// log already: the supervisor looks there by itself, only later.
func (c *Control) wake(seq int64) {
	_ = os.WriteFile(c.home.Wake(), strconv.AppendInt(nil, seq, 10), 0o600)
}

// task finds the task of a command. Commands take ids only: what a name means changes while tasks come and go.
func task(tx *store.Tx, id event.TaskID) (life.Task, error) {
	if !event.IsTaskID(string(id)) {
		return life.Task{}, fault.New(fault.Usage, "%q is not the id of a task", id).
			WithHint("Give an id such as t12; `muster ls` shows them.")
	}
	t, ok, err := tx.Task(id)
	if err == nil && !ok {
		err = noTask(id)
	}
	return t, err
}

func noTask(id event.TaskID) error {
	return fault.New(fault.NotFound, "there is no task %s", id).WithHint("`muster ls --all` lists every task.")
}

// present finds the task of a command that is not for removed tasks.
func present(tx *store.Tx, id event.TaskID) (life.Task, error) {
	t, err := task(tx, id)
	if err == nil && t.Removed {
		err = fault.New(fault.NotFound, "%s was removed", id).
			WithHint("`muster show %s` still tells what it was.", id)
	}
	return t, err
}

// ended is the refusal of what only a task that goes on can take.
func ended(t life.Task, what string) error {
	return fault.New(fault.Conflict, "%s is %s and cannot %s", t.ID, t.State, what).WithHint("%s", again(t))
}

// again is the command line by which the work of an ended task goes on.
func again(t life.Task) string {
	if t.Branch == "" {
		return "Queue it again: muster dispatch PROMPT"
	}
	return "Start a new task from its branch: muster dispatch --base @" + string(t.ID) + " PROMPT"
}
