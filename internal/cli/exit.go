package cli

import (
	"fmt"
)

// exitStatus is the exit status of a program that muster ran. The program has reported the error.
type exitStatus int

// Error implements error; it is not printed.
func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// Is reports whether target is errQuiet, so that nothing is printed.
func (e exitStatus) Is(target error) bool { return target == errQuiet }
