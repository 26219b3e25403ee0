package git

import (
	"muster/internal/fault"
	"muster/internal/run"
)

// Program returns the path of the git program on the PATH of an environment; a fault.Conflict if there is none.
func Program(env []string) (string, error) {
	path, err := run.LookPath("git", env)
	if err != nil {
		return "", fault.Wrap(fault.Conflict, err, "no git on the PATH").WithHint("Install git 2.31 or newer.")
	}
	return path, nil
}
