package cli

import (
	"fmt"
)

// exitStatus is the exit status of a program that muster ran. Nothing is left to report.
type exitStatus int

// Error implements error; it is not printed.
func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// Is reports that it was reported already.
func (e exitStatus) Is(target error) bool { return target == errQuiet }
