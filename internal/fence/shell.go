package fence

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"muster/internal/fault"
	"muster/internal/spec"
	"muster/internal/text"
)

// Shell is the second, tighter fence, which a fenced agent puts around each command that it runs for its model. The agent needs
// its login, its commands do not.
type Shell struct {
	Policy  Policy
	Program string   // the shell, which gets the command line after -c; an absolute path
	Drop    []string // names of variables that a command does not get
}

// shellFile is the format of a Shell.
type shellFile struct {
	V       int       `json:"v"`
	Kind    spec.Kind `json:"kind"`
	Policy  Policy    `json:"policy"`
	Program spec.Text `json:"program"`
	Drop    []string  `json:"drop"`
}

// Write writes the spec file of the shell beside the program at path, which the agent starts with one argument, a command line, or
// with -c and one.
// exe is the program of muster.
func (s Shell) Write(path, exe string) error {
	file := path + ".json"
	if err := spec.Write(file, shellFile{spec.Version, spec.Shell, s.Policy, spec.Text(s.Program), s.Drop}, "spec of the fence of commands"); err != nil {
		return err
	}
	// A program that takes it for the user's shell puts -c ahead of the command line.
	script := "#!/bin/sh\n[ $# = 2 ] && [ \"$1\" = -c ] && shift\nexec " + text.Quote(exe) + " launch " + text.Quote(file) + " \"$@\"\n"
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil { //nolint:gosec // it is a program
		return fault.Wrap(fault.Failed, err, "write the program that fences commands").WithHint("Check the free space of the disk.")
	}
	return nil
}

// Without returns a policy that does not grant a directory or anything in it.
func (p Policy) Without(dir string) Policy {
	inside := func(path string) bool { return holds(dir, path) }
	p.Read, p.Write = slices.DeleteFunc(slices.Clone(p.Read), inside), slices.DeleteFunc(slices.Clone(p.Write), inside)
	return p
}

// BecomeShell makes this process a shell that runs a command line in the fence of a spec file. It returns only if that failed, and
// nothing has run then.
func BecomeShell(path string, command []string) error {
	if len(command) != 1 {
		return fault.New(fault.Usage, "%s fences one command line, not %d", path, len(command))
	}
	var f shellFile
	if err := spec.Read(path, spec.Shell, &f); err != nil {
		return err
	}
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find the directory of a command: %w", err)
	}
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(f.Drop, name)
	})
	return Command{Argv: []string{string(f.Program), "-c", command[0]}, Dir: dir, Env: env, Policy: f.Policy}.Exec()
}
