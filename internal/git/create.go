package git

import (
	"context"
	"os"
	"path/filepath"

	"muster/internal/fault"
	"muster/internal/run"
)

// Create makes a repository in an empty directory, with files (path to content) as its first commit on branch main.
// The demonstration and tests start from it. The author of the commit is muster.
func Create(ctx context.Context, dir string, files map[string]string, opts ...Option) error {
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // a work tree is not state
			return fault.Wrap(fault.Failed, err, "make the directory of %s", name)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil { //nolint:gosec // a work tree is not state
			return fault.Wrap(fault.Failed, err, "write %s", name)
		}
	}
	r := &Reader{}
	for _, o := range opts {
		o(r)
	}
	program, err := run.LookPath("git", r.env)
	if err != nil {
		return fault.Wrap(fault.Conflict, err, "no git on the PATH").WithHint("Install git 2.31 or newer.")
	}
	r.program = program
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "-A"}, {"commit", "-q", "-m", "first"}} {
		if _, err := r.git(ctx, call{args: args, native: dir, long: true}); err != nil {
			return err
		}
	}
	return nil
}
