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
	// ErrNoServer is that nothing listens on the socket.
	ErrNoServer = errors.New("no tmux server")
	// ErrNoHub is that the server has no hub session to connect to; Server.Start makes it again.
	ErrNoHub = errors.New("no hub session")
	// ErrNoPane means that the pane does not exist.
	ErrNoPane = errors.New("no such pane")
	// ErrNoTarget means that the session or window does not exist.
	ErrNoTarget = errors.New("no such session or window")
	// ErrDuplicate is that the session, or the window that was to be opened, is there already and alive.
	ErrDuplicate = errors.New("already there")
	// ErrDeadPane is that the pane's process has ended; nothing was sent.
	ErrDeadPane = errors.New("the pane's process has ended")
	// ErrInMode is that keys would not reach the program alone: a person is in copy mode, or has tied the
	// input of several panes together. Nothing was sent.
	ErrInMode = errors.New("the pane is in copy mode")
	// ErrDisconnected is that the control client ended before the reply: whether the command ran is not known.
	ErrDisconnected = errors.New("the connection to tmux ended")
	// ErrBusy is that the server has not read what was sent before; the command was not sent.
	ErrBusy = errors.New("tmux does not keep up")
)

// CommandError is a command that tmux refused.
type CommandError struct {
	Command string // the name of the command, never its arguments: they may hold a prompt
	Message string // tmux's own words
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
			e.Message == "no sessions" || e.Message == "no current target" // there is not one
	case ErrDuplicate:
		return strings.HasPrefix(e.Message, "duplicate session") || strings.HasSuffix(e.Message, "still active")
	case ErrDeadPane:
		return e.Message == "target pane has exited"
	}
	// Without a free terminal, or descriptors for one, or a process, "create window failed: fork failed: …".
	if target == syscall.EAGAIN { //nolint:errorlint // a target, as errors.Is gives it
		return strings.Contains(e.Message, "fork failed")
	}
	return scarce.Says(e.Message, target)
}
