package fence

import (
	"os"

	"muster/internal/fault"
	"muster/internal/run"
)

// sandboxExec is the program of macOS that starts another one under a profile. It is named by its path, since an agent's PATH
// must not choose it.
const sandboxExec = "/usr/bin/sandbox-exec"

// Fence is a policy that this machine can enforce.
type Fence struct {
	profile string
	applied Applied
}

// ABI returns 0: macOS has no Landlock. The error names what is missing.
func ABI() (int, error) {
	if _, err := os.Stat(sandboxExec); err != nil {
		return 0, fault.Wrap(fault.Conflict, err, "the fence needs %s", sandboxExec).
			WithHint("It is part of macOS. Set mode = \"off\" under [fence] if this system has removed it.")
	}
	return 0, nil
}

// Prepare makes the profile of a policy. It restricts nothing.
func Prepare(p Policy) (*Fence, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	if _, err := ABI(); err != nil {
		return nil, err
	}
	text, applied := profile(p, onDisk)
	var err error
	if applied.Policy, err = p.Digest(); err != nil {
		return nil, err
	}
	return &Fence{profile: text, applied: applied}, nil
}

// Applied returns what the fence consists of.
func (f *Fence) Applied() Applied { return f.applied }

// Close gives up a fence that was not entered.
func (f *Fence) Close() error { return nil }

// Exec executes a program under the profile in this process. It returns only if sandbox-exec could not be started.
func (f *Fence) Exec(path string, argv, env []string) error {
	return run.Replace(sandboxExec, append([]string{"sandbox-exec", "-p", f.profile, path}, argv[1:]...), env)
}

// onDisk is isDir for the file system of this machine.
func onDisk(path string) (dir, exists bool) {
	st, err := os.Lstat(path)
	return err == nil && st.IsDir(), err == nil
}
