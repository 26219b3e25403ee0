package control

import (
	"context"
	"os"
	"strconv"
	"sync"

	"muster/internal/boot"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/home"
	"muster/internal/life"
	"muster/internal/store"
)

// Control is a fleet as its front ends see it. All methods may be called from any goroutine.
type Control struct {
	caller boot.Caller
	home   home.Dir

	mu    sync.Mutex
	store *store.Store // opened at first use: Upgrade must not touch a database that another version wrote
}

// Open opens the caller's fleet. It makes the state directory if there is none, and starts nothing.
func Open(caller boot.Caller) (*Control, error) {
	h, _, err := home.Find(caller.Getenv)
	if err != nil {
		return nil, err
	}
	return &Control{caller: caller, home: h}, h.Create()
}

// open opens the log.
func (c *Control) open(ctx context.Context) (*store.Store, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.store == nil {
		s, err := store.Open(ctx, c.home.DB(), store.Options{Now: c.caller.Now, Version: boot.Version()})
		if err != nil {
			return nil, err
		}
		c.store = s
	}
	return c.store, nil
}

// Close ends all use of the fleet's files.
func (c *Control) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.store == nil {
		return nil
	}
	err := c.store.Close()
	c.store = nil
	return err
}

// Home is the state directory.
func (c *Control) Home() home.Dir { return c.home }

// fleet opens what starts and ends the fleet, and what describes its tmux server. It reads the user's configuration,
// so that a mistake there does not keep anybody from reading the log.
func (c *Control) fleet() (boot.Fleet, error) { return boot.Open(c.caller) }

// Command is one of the types of this package that change something.
type Command interface {
	// do checks what must hold, then does what is asked for or appends the request for it.
	do(ctx context.Context, c *Control) (Outcome, error)
}

// Outcome is what a command has made.
type Outcome struct {
	Task    event.TaskID    // the task it was about; of a dispatch the first
	Tasks   []event.TaskID  // all tasks of a dispatch, in order
	Message event.MessageID // the message that Send has queued
	Ref     string          // the kept work that Restore brings back
	Seq     int64           // the newest event when a request was appended: Watch from here to see what comes of it
	Down    bool            // the fleet was told to be down: the request is kept until the next Up
	Up      boot.Started    // of Up
	Upgrade boot.Upgraded   // of Upgrade

	effect effect
}

// Do carries out a command. A request to the supervisor is durably in the log when Do returns, and a fleet that is not
// up has been started for it unless it was told to be down; Await waits for the effect. fault.Conflict: something
// that must hold does not, and nothing was changed.
func (c *Control) Do(ctx context.Context, cmd Command) (Outcome, error) { return cmd.do(ctx, c) }

// ask appends, in one transaction, what the supervisor is to act on, and makes sure that there is a supervisor.
func (c *Control) ask(ctx context.Context, request func(*store.Tx) (Outcome, error)) (Outcome, error) {
	f, err := c.fleet()
	if err != nil {
		return Outcome{}, err
	}
	if err := f.CanBeUp(ctx); err != nil {
		return Outcome{}, err
	}
	db, err := c.open(ctx)
	if err != nil {
		return Outcome{}, err
	}
	var out Outcome
	var before int64
	err = db.Request(ctx, func(tx *store.Tx) (err error) {
		before = tx.Seq()
		out, err = request(tx)
		out.Seq = tx.Seq()
		return err
	})
	if err != nil {
		return Outcome{}, err
	}
	if out.Seq > before {
		c.wake(out.Seq)
	}
	out.Down, err = f.Ensure(ctx)
	return out, err
}

// wake tells the supervisor that there is something new. A failure of it is not a failure of the command, which is in
// the log already: the supervisor looks there by itself, only later.
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
	return "Start a new task from its work: muster dispatch --base @" + string(t.ID) + " PROMPT"
}
