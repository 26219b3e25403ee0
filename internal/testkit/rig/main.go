package rig

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"

	"muster/internal/agent"
	"muster/internal/run"
	"muster/internal/testkit/program"
)

// own is the program that hooks and panes run. It is the test binary without the race detector, because an agent starts it at
// every call of a tool.
var own = program.Temp{Name: "program", Make: func(path string) error { return program.BuildTest(path, "") }}

// exe returns the path of the program that hooks and panes run.
func exe() (string, error) {
	if program.Raced {
		return own.Path()
	}
	return os.Executable()
}

// Main is the TestMain of a package whose test binary also plays the program that hooks and panes run. It returns the exit status.
func Main(m *testing.M, a agent.Adapter) int {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "hook":
			return a.Hook(context.Background(), agent.HookCall{
				Event: os.Args[3], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, PPID: os.Getppid(),
			})
		case "exec":
			fmt.Fprintln(os.Stderr, become(os.Args[2]))
			return 1
		}
	}
	defer own.Remove()
	return m.Run()
}

// execSpec describes the program of a pane.
type execSpec struct {
	Dir       string
	Argv, Env []string
}

// become replaces the process by the program of a spec. It returns only with an error.
func become(path string) error {
	var s execSpec
	b, err := os.ReadFile(path)
	if err = errors.Join(err, json.Unmarshal(b, &s)); err != nil {
		return err
	}
	if err := os.Chdir(s.Dir); err != nil {
		return err
	}
	return run.Replace(s.Argv[0], s.Argv, s.Env)
}
