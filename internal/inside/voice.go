package inside

import (
	"errors"
	"io/fs"
	"time"

	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/home"
	"muster/internal/mail"
	"muster/internal/proof"
	"muster/internal/status"
)

// Caller is the calling process: an agent, or a program that it started.
type Caller struct {
	Environ []string // NAME=VALUE
	Getenv  func(name string) string
	Now     func() time.Time
}

// Voice acts for one generation of a task.
type Voice struct {
	caller Caller
	home   home.Dir
	task   event.TaskID
	gen    int
	status string // path of the status file
	// waitLimit is how long the task may wait for a person; 0 if muster did not say.
	waitLimit time.Duration
}

// Open reads muster's variables, which name the caller's generation. Outside an agent's shell it returns a
// fault.Conflict. what is the attempted command, for the error's text.
func Open(c Caller, what string) (Voice, error) {
	v := Voice{caller: c, task: event.TaskID(c.Getenv(environ.Task)), status: c.Getenv(environ.StatusFile)}
	if v.task == "" && v.status == "" {
		return v, fault.New(fault.Conflict, "%s is for agents, in the shell that muster gave them", what).
			WithHint("MUSTER_TASK is not set, so the task is unknown. `muster ls` lists the tasks.")
	}
	me, ok := environ.ReadAgent(c.Getenv)
	if !ok || me.StatusFile == "" {
		return v, fault.New(fault.Conflict, "%s: the variables that muster gave this agent are damaged", what).
			WithHint("Leave MUSTER_HOME, MUSTER_TASK, MUSTER_GEN and MUSTER_STATUS_FILE as they were.")
	}
	v.home, v.gen, v.waitLimit = home.Dir(me.Home), me.Gen, me.Wait
	return v, nil
}

// Task returns the task of the generation.
func (v Voice) Task() event.TaskID { return v.task }

// Done reports that the task is done. The checks run when the agent's turn has ended.
func (v Voice) Done(note string) (event.Record, error) {
	r := event.Record{State: event.RecordDone, Note: note}
	return r, v.Report(r)
}

// Note reports progress in a few words.
func (v Voice) Note(note string) (event.Record, error) {
	r := event.Record{State: event.RecordWorking, Note: note}
	return r, v.Report(r)
}

// Report validates a record and appends it to the status file. It sets generation, source and time. A run that has
// ended has no status file, which is a fault.Conflict.
func (v Voice) Report(r event.Record) error {
	r.Gen, r.Src, r.Time = v.gen, "cli", v.caller.Now().UTC()
	if err := status.Validate(r); err != nil {
		return err
	}
	if err := status.Append(v.status, r); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return fault.Wrap(fault.Conflict, err, "this run of %s has ended; the record was not delivered", v.task)
		}
		return fault.Wrap(fault.Failed, err, "report to muster").WithHint("Make %s writable.", v.status)
	}
	return nil
}

// files returns where the generation has its files.
func (v Voice) files() home.Gen { return v.home.Gen(v.task, v.gen) }

// box returns the mailbox of this generation.
func (v Voice) box() mail.Box { return proof.Box(v.home, v.task, v.gen) }
