package git

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
)

// maxStash is how many entries of a stash are watched, the newest.
const maxStash = 256

// StashEntry is an entry of a repository's stash.
type StashEntry struct {
	Ref     string // a private ref that keeps it; "" while it is in the stash
	Commit  string
	Subject string
}

// WatchStash compares the stash of the repository, which all of its worktrees share, with what it was at the last call with
// the same mark. Entries that have gone since are kept, each under a ref below under, and returned. The mark is a private ref
// and keeps all entries from git's gc; the first call only sets it.
func (r *Repo) WatchStash(ctx context.Context, mark, under string) ([]StashEntry, error) {
	if err := privateRef(mark); err != nil {
		return nil, err
	}
	if err := privateRef(under); err != nil {
		return nil, err
	}
	noted, there, err := r.stashRefs(ctx, mark)
	if err != nil || len(noted) == 0 && !there {
		return nil, err
	}
	now, err := r.stash(ctx, there)
	if err != nil {
		return nil, err
	}
	var gone []StashEntry
	for _, commit := range noted {
		if !slices.ContainsFunc(now, func(e StashEntry) bool { return e.Commit == commit }) {
			d, err := r.described(ctx, commit)
			if err != nil || d.commit == "" {
				return nil, fmt.Errorf("read an entry of the stash: %w", err)
			}
			subject, _, _ := strings.Cut(d.message, "\n")
			gone = append(gone, StashEntry{Ref: under + "/" + commit[:12], Commit: commit, Subject: subject})
		}
	}
	if len(gone) == 0 && len(now) == len(noted) {
		return nil, nil
	}
	return gone, r.markStash(ctx, mark, now, gone)
}

// markStash keeps what has gone, and then notes what is there.
func (r *Repo) markStash(ctx context.Context, mark string, now, gone []StashEntry) error {
	err := r.locked(ctx, func(lock *os.File) error {
		for _, e := range gone {
			if err := r.setRef(ctx, lock, e.Ref, e.Commit, ""); err != nil {
				return err
			}
		}
		if len(now) == 0 {
			return nil
		}
		c := newCommit{tree: now[0].Commit + "^{tree}", message: "muster: the entries of the stash"}
		for _, e := range now {
			c.parents = append(c.parents, e.Commit)
		}
		commit, err := r.commitTree(ctx, c)
		if err != nil {
			return err
		}
		return r.setRef(ctx, lock, mark, commit, "")
	})
	if err == nil && len(now) == 0 {
		err = r.DropRefs(ctx, mark)
	}
	return err
}

// stashRefs returns the entries that a mark holds, and whether there is a stash.
func (r *Reader) stashRefs(ctx context.Context, mark string) (noted []string, there bool, err error) {
	out, err := r.git(ctx, call{args: []string{"for-each-ref", "--format=%(refname) %(parent)", "refs/stash", mark}})
	if err != nil {
		return nil, false, fmt.Errorf("read the stash: %w", err)
	}
	for line := range strings.Lines(out) {
		switch f := strings.Fields(line); {
		case len(f) > 0 && f[0] == "refs/stash":
			there = true
		case len(f) > 0 && f[0] == mark:
			noted = f[1:]
		}
	}
	return noted, there, nil
}

// stash returns the entries of the stash, the newest first.
func (r *Reader) stash(ctx context.Context, there bool) ([]StashEntry, error) {
	if !there {
		return nil, nil
	}
	out, err := r.git(ctx, call{args: []string{
		"log", "-g", "--no-show-signature", "--no-color", fmt.Sprintf("--max-count=%d", maxStash), "--format=%H", "refs/stash", "--",
	}})
	if err != nil {
		return nil, fmt.Errorf("read the stash: %w", err)
	}
	var entries []StashEntry
	for _, commit := range strings.Fields(out) {
		if !slices.ContainsFunc(entries, func(e StashEntry) bool { return e.Commit == commit }) {
			entries = append(entries, StashEntry{Commit: commit})
		}
	}
	return entries, nil
}
