package git

import (
	"context"

	"muster/internal/fault"
)

// Conflicts reports whether a merge of two commits would conflict, and in which files. It changes no branch, index or file.
func (r *Repo) Conflicts(ctx context.Context, ours, theirs string) (files []string, there bool, err error) {
	if !isHash(ours) || !isHash(theirs) {
		return nil, false, fault.New(fault.Usage, "%q and %q are not the names of commits", ours, theirs)
	}
	_, files, conflict, err := r.mergeTree(ctx, ours, theirs)
	switch {
	case err != nil:
		return nil, false, fault.Wrap(fault.Failed, err, "merge %.10s and %.10s", ours, theirs)
	case !conflict:
		return nil, false, nil
	}
	return files, true, nil
}
