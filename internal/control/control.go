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

// Control gives a front end access to a fleet. All methods are safe for concurrent use.
type Control struct {
	caller  boot.Caller
	home    home.Dir
	lookout lookout

	mu    sync.Mutex
	store *store.Store // opened at first use: Upgrade must not open a database that another version wrote
}

// Open opens the caller's fleet. It makes the state directory if that is missing, and starts nothing.
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

// Close closes the fleet's files.
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

// Home returns the state directory.
func (c *Control) Home() home.Dir { return c.home }

// fleet reads the user's configuration and returns what starts and ends the fleet. The log is opened without it, so
// that a mistake in the configuration does not prevent reading the log.
func (c *Control) fleet() (boot.Fleet, error) { return boot.Open(c.caller) }

// Command is implemented by the types of this package that change something.
type Command interface {
	// do checks the preconditions, then carries out the command or appends the request for it.
	do(ctx context.Context, c *Control) (Outcome, error)
}

// Outcome is the result of a command.
type Outcome struct {
	Task    event.TaskID    // the task of the command; the first one of a dispatch
	Tasks   []event.TaskID  // all tasks of a dispatch, in order
	Message event.MessageID // the message that Send has queued
	Ref     string          // the kept work that Restore brings back
	Seq     int64           // the newest event when the request was appended; Watch from here shows its effects
	Down    bool            // the fleet was told to be down, and the request waits for the next Up
	Up      boot.Started    // the result of Up
	Upgrade boot.Upgraded   // the result of Upgrade

	Collected Collected // the result of Collect

	effect effect
}

// Do carries out a command. When Do returns, a request to the supervisor is durably in the log, and the fleet has
// been started for it unless it was told to be down; Await waits for the effect. fault.Conflict means that a
// precondition does not hold; nothing was changed then.
func (c *Control) Do(ctx context.Context, cmd Command) (Outcome, error) {
	if what := ofAPerson(cmd); what != "" {
		if err := c.outside(what); err != nil {
			return Outcome{}, err
		}
	}
	return cmd.do(ctx, c)
}

// frontKey is the key of the front end in a context.
type frontKey struct{}

// Through returns a context whose commands come through a front end. The log has it for what a person asks of a task.
func Through(ctx context.Context, front event.Front) context.Context {
	return context.WithValue(ctx, frontKey{}, front)
}

func frontOf(ctx context.Context) event.Front {
	front, _ := ctx.Value(frontKey{}).(event.Front)
	return front
}

// ask appends a request to the supervisor in one transaction, and starts a supervisor if none runs.
func (c *Control) ask(ctx context.Context, request func(*store.Tx, event.Front) (Outcome, error)) (Outcome, error) {
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
		out, err = request(tx, frontOf(ctx))
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

// wake notifies the supervisor of a new event. Errors are ignored: the supervisor also reads the log from time to
// time.
func (c *Control) wake(seq int64) {
	_ = os.WriteFile(c.home.Wake(), strconv.AppendInt(nil, seq, 10), 0o600)
}

// task returns the task of a command. Commands take ids only, because the meaning of a name changes as tasks come and
// go.
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

// present returns the task of a command that does not apply to removed tasks.
func present(tx *store.Tx, id event.TaskID) (life.Task, error) {
	t, err := task(tx, id)
	if err == nil && t.Removed {
		err = fault.New(fault.NotFound, "%s was removed", id).
			WithHint("`muster show %s` still shows it.", id)
	}
	return t, err
}

// ended returns the error for a command that needs a task that has not ended.
func ended(t life.Task, what string) error {
	return fault.New(fault.Conflict, "%s is %s and cannot %s", t.ID, t.State, what).WithHint("%s", again(t))
}

// again returns the command line that continues the work of an ended task.
func again(t life.Task) string {
	if t.Branch == "" {
		return "Queue it again: muster dispatch PROMPT"
	}
	return "Start a new task from its work: muster dispatch --base @" + string(t.ID) + " PROMPT"
}
