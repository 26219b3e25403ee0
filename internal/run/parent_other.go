//go:build !linux

package run

import "syscall"

// endWithParent has no counterpart here: the child ends when its standard input closes.
func endWithParent(*syscall.SysProcAttr) {}
