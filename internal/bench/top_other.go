//go:build !linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
)

// top is not measured on this system, because its terminal is made by an interface of Linux.
type top struct {
	cmd      *exec.Cmd
	terminal *os.File
}

func (*world) top(context.Context) (*top, error) {
	return nil, fmt.Errorf("not measured on %s", runtime.GOOS)
}

func (*top) shows(context.Context, string) error { return nil }

func (*top) close() error { return nil }
