package git

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"muster/internal/fault"
	"muster/internal/text"
)

// An agent can put a FIFO or a device where git opens a file, below its branches or in its worktree. git waits for it until the
// limit of the call. A look ahead of each call would cost much in a large worktree and would miss what is put there later, so
// a call that takes long is looked at while it runs.

const (
	// oddAfter is how long a call of git runs before muster looks for what it may wait for. The pause doubles after each look.
	oddAfter = 2 * time.Second
	// maxOdd bounds one look, in files.
	maxOdd = 200_000
)

// agentRefs are the places in a repository where agents write what git opens by name.
var agentRefs = []string{"refs/heads/muster", "logs/refs/heads/muster", "objects/info"}

// odd returns the first of the files that git reads in a worktree which is no regular file; "" if there is none. git
// would wait for a FIFO without end.
func (p *place) odd() string {
	for _, name := range attributeFiles {
		if path := filepath.Join(p.workTree, name); isOdd(path) {
			return path
		}
	}
	return ""
}

// attributeFiles are the files of a worktree that git reads, the first two of them in each directory.
var attributeFiles = []string{".gitignore", ".gitattributes", ".gitmodules"}

// isOdd reports whether a path leads to what is neither a regular file nor a directory.
func isOdd(path string) bool {
	st, err := os.Stat(path)
	return err == nil && !st.Mode().IsRegular() && !st.IsDir()
}

// oddFile is the error for a file of a repository or a worktree that git would wait for.
func oddFile(subcommand, path string) error {
	return fault.New(fault.Failed, "git %s: %s is no regular file, and git would wait for it without end", subcommand, path).
		WithHint("Remove it: rm %s", text.Quote(path))
}

// watched returns a context for a call of git. It is cancelled, with the error of oddFile as its cause, when the call takes long and
// there is a file that git would wait for. release must be called after the call.
func (r *Reader) watched(ctx context.Context, c call) (watched context.Context, release func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		for pause := oddAfter; ; pause *= 2 {
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			if path := r.oddPath(ctx, c); path != "" {
				cancel(oddFile(c.args[0], path))
				return
			}
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-over
	}
}

// oddCause returns the error of oddFile that ended a call; nil if something else did.
func oddCause(ctx context.Context) error {
	if e, ok := errors.AsType[*fault.Error](context.Cause(ctx)); ok {
		return e
	}
	return nil
}

// oddPath looks for a file that git would wait for at the places where agents write.
func (r *Reader) oddPath(ctx context.Context, c call) string {
	seen, found := 0, ""
	look := func(dir string, reads func(name string) bool) {
		_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if seen++; found != "" || seen > maxOdd || ctx.Err() != nil {
				return fs.SkipAll
			}
			if err != nil || e.IsDir() || !reads(e.Name()) || e.Type().IsRegular() || !isOdd(path) {
				return nil //nolint:nilerr // what cannot be read, git cannot open either
			}
			found = path
			return fs.SkipAll
		})
	}
	if r.Common != "" {
		for _, dir := range agentRefs {
			look(filepath.Join(r.Common, dir), func(string) bool { return true })
		}
	}
	if c.in != nil {
		look(c.in.workTree, func(name string) bool { return name == attributeFiles[0] || name == attributeFiles[1] })
	}
	return found
}

// checkLog returns an error if the reflog of a ref, or a directory on the way to it, is a link or no file: git would append a line to
// whatever a link leads to.
func (r *Reader) checkLog(ref string) error {
	path := filepath.Join(r.Common, "logs")
	for _, part := range strings.Split(ref, "/") {
		path = filepath.Join(path, part)
		st, err := os.Lstat(path)
		if err != nil {
			return nil //nolint:nilerr // git makes what is missing, and says what it cannot read
		}
		if !st.IsDir() && !st.Mode().IsRegular() {
			return fault.New(fault.Conflict, "the reflog %s is no file of the repository, and git would write a line to whatever it leads to", path).
				WithHint("Look who made it, and remove it: rm %s", text.Quote(path))
		}
	}
	return nil
}
