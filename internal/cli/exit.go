package cli

import (
	"fmt"
)

// exitStatus is an error of which everything has been said, and whose exit status is not muster's own but that of
// a program it ran.
type exitStatus int

// Error implements error; nobody prints it.
func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// Is lets it pass as said already.
func (e exitStatus) Is(target error) bool { return target == errQuiet }
