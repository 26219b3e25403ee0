//go:build !linux

package tmux_test

import "testing"

// hasOwnProgram reports whether this system can run the program of a process whose file is gone.
const hasOwnProgram = false

func copyTmux(*testing.T, string) {}
