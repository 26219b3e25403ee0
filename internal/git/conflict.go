package git

import (
	"context"
	"strings"

	"muster/internal/fault"
)

// Conflicts reports whether a merge of two commits would conflict, and in which files. It changes no branch, index or file.
func (r *Repo) Conflicts(ctx context.Context, ours, theirs string) (files []string, there bool, err error) {
	if !isHash(ours) || !isHash(theirs) {
		return nil, false, fault.New(fault.Usage, "%q and %q are not the names of commits", ours, theirs)
	}
	out, err := r.git(ctx, call{args: []string{"merge-tree", "--write-tree", "--name-only", "--no-messages", "-z", ours, theirs}, long: true})
	switch {
	case err == nil:
		return nil, false, nil
	case exited(err, 1):
		_, names, _ := strings.Cut(strings.TrimRight(out, "\x00\n"), "\x00") // the tree comes first
		return strings.FieldsFunc(names, func(c rune) bool { return c == 0 }), true, nil
	}
	return nil, false, fault.Wrap(fault.Failed, err, "merge %.10s and %.10s", ours, theirs)
}
