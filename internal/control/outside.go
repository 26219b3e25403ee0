package control

import (
	"muster/internal/environ"
	"muster/internal/fault"
)

// ofAPerson returns the name of a command that only a person may carry out, and "" for the others. An agent may queue
// tasks, send messages and look.
func ofAPerson(cmd Command) string {
	switch cmd.(type) {
	case Up:
		return "muster up"
	case Down:
		return "muster down"
	case Upgrade:
		return "muster upgrade"
	case Answer:
		return "muster answer"
	case Interrupt:
		return "muster interrupt"
	case Stop:
		return "muster stop"
	case Retry:
		return "muster retry"
	case Remove:
		return "muster rm"
	case Collect:
		return "muster gc"
	case Restore:
		return "muster restore"
	case WakeAccount:
		return "muster accounts wake"
	case TakeIssues:
		return "muster intake"
	case RestAccount:
		return "muster accounts rest"
	}
	return ""
}

// outside returns an error if the caller is an agent of this fleet. An agent must not answer a request, end tasks, replace
// their environment, or lose their work. It is told so by the variables that it was started with, and could remove them:
// this keeps an agent from a mistake, and a fence keeps it from the log.
func (c *Control) outside(what string) error {
	if !c.caller.InAgentsShell(c.home) {
		return nil
	}
	return fault.New(fault.Conflict, "%s is refused in an agent's shell: a person decides that, and %s is a task of this fleet", what, c.caller.Getenv(environ.Task)).
		WithHint("Ask a person to do it: `muster ask`. An agent may queue tasks, read them and send messages to them; for a fleet of your own set MUSTER_HOME to another directory and unset MUSTER_TASK.")
}
