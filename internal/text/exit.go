package text

import (
	"fmt"
	"syscall"
)

// Exit names how a process ended: "exit status 3", or "signal 9 (killed)" if signal is not 0.
func Exit(status, signal int) string {
	if signal != 0 {
		return fmt.Sprintf("signal %d (%s)", signal, syscall.Signal(signal))
	}
	return fmt.Sprintf("exit status %d", status)
}

// Exited is Exit as a predicate: "exited with status 3", or "was ended by signal 9 (killed)".
func Exited(status, signal int) string {
	if signal != 0 {
		return "was ended by " + Exit(status, signal)
	}
	return fmt.Sprintf("exited with status %d", status)
}
