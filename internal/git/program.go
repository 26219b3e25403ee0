package git

import (
	"muster/internal/fault"
	"muster/internal/run"
)

// Program finds the git program on the PATH of an environment; fault.Conflict where there is none.
func Program(env []string) (string, error) {
	path, err := run.LookPath("git", env)
	if err != nil {
		return "", fault.Wrap(fault.Conflict, err, "no git on the PATH").WithHint("Install git 2.31 or newer.")
	}
	return path, nil
}
