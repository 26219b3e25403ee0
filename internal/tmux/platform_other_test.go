//go:build !linux

package tmux_test

import "testing"

// hasOwnProgram: there is no way to the program of a process whose file is gone.
const hasOwnProgram = false

func copyTmux(*testing.T, string) {}
