package git

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"muster/internal/fault"
	"muster/internal/text"
)

// An agent can put a FIFO or a device where git opens a file, in the repository or in its worktree. git waits for it until the
// limit of the call, or reads without end. A look ahead of each call would cost much in a large worktree and would miss what is put there later, so
// a call that takes long is looked at while it runs.

const (
	// oddSoon is how long a call of git runs before muster looks for odd files in the repository, and oddAfter before it looks
	// in the worktree, too, which can be large. The pause doubles after each of these looks.
	oddSoon  = 100 * time.Millisecond
	oddAfter = 2 * time.Second
	// maxOdd bounds one look, in files, and maxOddDepth in directories below one another.
	maxOdd      = 200_000
	maxOddDepth = 100
	// maxRef bounds a file that holds one ref, and maxPatterns one of attributeFiles, in bytes. git reads such a file whole into its
	// memory.
	maxRef      = 1 << 20
	maxPatterns = 100 << 20
)

// agentRefs are the places in a repository where agents write what git opens by name, without and with the fence.
var agentRefs = []string{"refs", "HEAD", "packed-refs", "shallow", "logs", "objects/info", "objects/pack"}

// odd returns the first of the files that git reads in a worktree which is no regular file, or is too large; "" if there is none.
// git would wait for a FIFO without end.
func (p *place) odd() string {
	for _, name := range attributeFiles {
		path := filepath.Join(p.workTree, name)
		if st, err := os.Stat(path); err == nil && (odd(st.Mode()) || st.Mode().IsRegular() && st.Size() > maxPatterns) {
			return path
		}
	}
	return ""
}

// attributeFiles are the files of a worktree that git reads, the first two of them in each directory.
var attributeFiles = []string{".gitignore", ".gitattributes", ".gitmodules"}

// isOdd reports whether a path leads to what is neither a regular file nor a directory. A socket is not odd: to open one fails at once,
// and git's own monitor of the file system has one in a git directory.
func isOdd(path string) bool {
	st, err := os.Stat(path)
	return err == nil && odd(st.Mode())
}

func odd(mode fs.FileMode) bool { return !mode.IsRegular() && !mode.IsDir() && mode&fs.ModeSocket == 0 }

// oddFile is the error for a file of a repository or a worktree that git would wait for, or read without end.
func oddFile(subcommand, path string) error {
	if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() {
		return fault.New(fault.Failed, "git %s: %s holds %d bytes, and git would read it whole into memory", subcommand, path, st.Size()).
			WithHint("Remove it: rm %s", text.Quote(path))
	}
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
		for pause := oddSoon; ; pause = max(2*pause, oddAfter) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			if path := r.oddPath(ctx, c, pause >= oddAfter); path != "" {
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

// oddPath looks for a file that git would wait for at the places where agents write. With all it also looks where many files are: in
// the worktree, and at loose objects.
func (r *Reader) oddPath(ctx context.Context, c call, all bool) string {
	l := looking{ctx: ctx}
	common, top := r.Common, c.native
	for common == "" && top != "" { // it is not known yet where the repository is
		if common = commonOf(top); filepath.Dir(top) == top {
			break
		} else if common == "" {
			top = filepath.Dir(top)
		}
	}
	if c.in != nil && c.in.view != "" && c.in.view != r.viewDir() { // the view of a repository inside the worktree
		l.repository(c.in.view)
	}
	if common != "" {
		l.repository(common)
	}
	if c.native != "" {
		l.configuration(common, gitDirOf(top))
	}
	if all && c.in != nil {
		l.look(c.in.workTree, 0, func(path, name string) bool {
			return name == attributeFiles[0] || name == attributeFiles[1] || strings.Contains(path, "/.git/")
		})
	}
	if all && common != "" {
		for _, name := range []string{"worktrees", "modules", "objects"} {
			l.look(filepath.Join(common, name), 0, anyFile)
		}
	}
	return l.found
}

// looking is one search for an odd file.
type looking struct {
	ctx   context.Context //nolint:containedctx // it lives as long as one call
	seen  int
	found string
}

func anyFile(string, string) bool { return true }

// over reports whether the search has ended.
func (l *looking) over() bool { return l.found != "" || l.seen > maxOdd || l.ctx.Err() != nil }

// repository looks where git opens a repository's refs, reflogs and lists of objects.
func (l *looking) repository(common string) {
	for _, name := range agentRefs {
		l.look(filepath.Join(common, name), 0, anyFile)
	}
	l.refs(filepath.Join(common, "refs"), 0)
}

// look searches a file, or a directory with all below it, for a file that git reads and that is not regular. Links are
// followed, as git does.
func (l *looking) look(path string, depth int, reads func(path, name string) bool) {
	if l.over() || depth > maxOddDepth {
		return
	}
	l.seen++
	st, err := os.Stat(path)
	switch {
	case err != nil: // what cannot be read, git cannot open either
	case odd(st.Mode()) && reads(path, filepath.Base(path)), st.Size() > maxPatterns && slices.Contains(attributeFiles, filepath.Base(path)):
		l.found = path
	case st.IsDir():
		for _, e := range entries(path) {
			if !e.Type().IsRegular() || slices.Contains(attributeFiles, e.Name()) {
				l.look(filepath.Join(path, e.Name()), depth+1, reads)
			} else {
				l.seen++
			}
			if l.over() {
				return
			}
		}
	}
}

// refs searches for a file that is too large for a ref.
func (l *looking) refs(path string, depth int) {
	if l.over() || depth > maxOddDepth {
		return
	}
	for _, e := range entries(path) {
		l.seen++
		name := filepath.Join(path, e.Name())
		st, err := os.Stat(name)
		switch {
		case err != nil:
		case st.IsDir():
			l.refs(name, depth+1)
		case st.Size() > maxRef:
			l.found = name
		}
		if l.over() {
			return
		}
	}
}

// entries lists a directory; what cannot be read is empty.
func entries(dir string) []fs.DirEntry {
	found, _ := os.ReadDir(dir)
	return found
}

// configuration looks at the files that git reads settings from in a repository that it was not kept away from, and at
// those that they include.
func (l *looking) configuration(dirs ...string) {
	for _, dir := range dirs {
		for _, name := range []string{"HEAD", "commondir", "config", "config.worktree"} {
			if dir == "" || l.found != "" {
				continue
			}
			path := filepath.Join(dir, name)
			if isOdd(path) {
				l.found = path
				return
			}
			l.included(path, 0)
		}
	}
}

// included looks at the files that a configuration includes. git allows ten of them inside one another.
func (l *looking) included(path string, depth int) {
	b, err := readSmall(path)
	if err != nil || depth > 10 {
		return
	}
	for line := range strings.Lines(string(b)) {
		name, value, ok := strings.Cut(line, "=")
		if words := strings.Fields(name); !ok || len(words) == 0 || !strings.EqualFold(words[len(words)-1], "path") {
			continue
		}
		file := strings.Trim(strings.TrimSpace(value), `"`)
		if !filepath.IsAbs(file) {
			file = filepath.Join(filepath.Dir(path), file)
		}
		if isOdd(file) {
			l.found = file
			return
		}
		if l.included(file, depth+1); l.over() {
			return
		}
	}
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
