//go:build !linux

package run

import "syscall"

// endWithParent does nothing on this system: the child ends when its standard input closes.
func endWithParent(*syscall.SysProcAttr) {}
