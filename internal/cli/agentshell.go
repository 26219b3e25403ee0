package cli

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/home"
	"muster/internal/mail"
	"muster/internal/status"
)

// shell is the agent's own shell that a verb was called in: muster's variables say which task it belongs to.
type shell struct {
	home     home.Dir
	task     event.TaskID
	gen      int
	worktree string
	status   string // path of the status file
}

// agentShell reads muster's variables. Outside an agent's shell it is a fault.Conflict that says so.
func agentShell(env Env, verb string) (shell, error) {
	s := shell{task: event.TaskID(env.Getenv("MUSTER_TASK")), worktree: env.Getenv("MUSTER_WORKTREE"), status: env.Getenv("MUSTER_STATUS_FILE")}
	if s.task == "" && s.status == "" {
		return s, fault.New(fault.Conflict, "muster %s is for agents, in the shell that muster gave them", verb).
			WithHint("Nothing here says which task it speaks for: MUSTER_TASK is not set. `muster ls` lists the tasks.")
	}
	h := env.Getenv("MUSTER_HOME")
	gen, err := strconv.Atoi(env.Getenv("MUSTER_GEN"))
	if !event.IsTaskID(string(s.task)) || err != nil || gen < 1 || !filepath.IsAbs(h) || !filepath.IsAbs(s.status) {
		return s, fault.New(fault.Conflict, "muster %s: the variables that muster gave this agent are damaged", verb).
			WithHint("Leave MUSTER_HOME, MUSTER_TASK, MUSTER_GEN and MUSTER_STATUS_FILE as they were.")
	}
	s.home, s.gen = home.Dir(h), gen
	return s, nil
}

// box is the mailbox of this generation.
func (s shell) box() mail.Box { return mail.Box{Dir: s.home.GenDir(s.task, s.gen)} }

// report appends a record to the status file. A generation that is over has none any more: its file was put away.
func (s shell) report(env Env, r event.Record) error {
	r.Gen, r.Src, r.Time = s.gen, "cli", env.Now().UTC()
	if err := status.Validate(r); err != nil {
		return err
	}
	if err := status.Append(s.status, r); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return fault.Wrap(fault.Conflict, err, "nobody reads what %s says any more", s.task)
		}
		return fault.Wrap(fault.Failed, err, "report to muster").WithHint("See that %s is writable.", s.status)
	}
	return nil
}

// newReportCommand is a verb that appends one record of a state; said is what the agent is told then.
func newReportCommand(env Env, c *cobra.Command, state event.RecordState, said string) *cobra.Command {
	var asJSON bool
	c.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := agentShell(env, cmd.Name())
		if err != nil {
			return err
		}
		r := event.Record{State: state, Note: strings.Join(args, " ")}
		if err := s.report(env, r); err != nil {
			return err
		}
		if asJSON {
			return printJSON(env.Stdout, r)
		}
		return env.say(said)
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the record as JSON")
	return verb(c, groupAgent)
}
