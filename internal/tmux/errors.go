package tmux

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"muster/internal/scarce"
)

// Errors that callers branch on. Only this file matches messages of tmux.
var (
	// ErrNoServer means that no process listens on the socket.
	ErrNoServer = errors.New("no tmux server")
	// ErrNoHub means that the server has no hub session to connect to; Server.Start makes one.
	ErrNoHub = errors.New("no hub session")
	// ErrNoPane means that the pane does not exist.
	ErrNoPane = errors.New("no such pane")
	// ErrNoTarget means that the session or window does not exist.
	ErrNoTarget = errors.New("no such session or window")
	// ErrDuplicate means that the session, or the window to open, exists and its program runs.
	ErrDuplicate = errors.New("already there")
	// ErrDeadPane means that the pane's process has ended; nothing was sent.
	ErrDeadPane = errors.New("the pane's process has ended")
	// ErrInMode means that keys would not reach only the program: a person is in copy mode, or has synchronized
	// several panes. Nothing was sent.
	ErrInMode = errors.New("the pane is in copy mode")
	// ErrDisconnected means that the control client ended before the reply; it is unknown whether the command ran.
	ErrDisconnected = errors.New("the connection to tmux ended")
	// ErrBusy means that the server has not read earlier commands; the command was not sent.
	ErrBusy = errors.New("tmux does not keep up")
)

// CommandError is the error of a command that tmux refused.
type CommandError struct {
	Command string // the name of the command; its arguments may contain a prompt and are left out
	Message string // tmux's own message
}

// Error returns the command and tmux's message.
func (e *CommandError) Error() string { return fmt.Sprintf("tmux %s: %s", e.Command, e.Message) }

// Is reports whether tmux's message means the given sentinel error.
func (e *CommandError) Is(target error) bool {
	switch target {
	case ErrNoPane:
		return strings.HasPrefix(e.Message, "can't find pane")
	case ErrNoTarget:
		return strings.HasPrefix(e.Message, "can't find session") || strings.HasPrefix(e.Message, "can't find window") ||
			e.Message == "no sessions" || e.Message == "no current target" // there is none
	case ErrDuplicate:
		return strings.HasPrefix(e.Message, "duplicate session") || strings.HasSuffix(e.Message, "still active")
	case ErrDeadPane:
		return e.Message == "target pane has exited"
	}
	// Without a free terminal, descriptor or process the message is "create window failed: fork failed: …".
	if target == syscall.EAGAIN { //nolint:errorlint // a target, as errors.Is gives it
		return strings.Contains(e.Message, "fork failed")
	}
	return scarce.Says(e.Message, target)
}
