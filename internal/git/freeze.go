package git

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"muster/internal/fault"
	"muster/internal/replace"
	"muster/internal/text"
)

// frozen is what a repository's own settings were before the first task of a fleet was dispatched in it. What an agent
// writes into the repository later has no effect on muster's git.
type frozen struct {
	// Programs names programs and the places that git talks to: filters, ssh, credentials, proxies, URLs. They are
	// never taken again without a person.
	Programs []setting `json:",omitempty"`
	// Content decides how files become objects and which branch follows which. It is data.
	Content    []setting `json:",omitempty"`
	Worktree   []setting `json:",omitempty"` // for the configuration of a new worktree, which only its agent reads
	Exclude    string    `json:",omitempty"` // info/exclude
	Attributes string    `json:",omitempty"` // info/attributes
	Sparse     string    `json:",omitempty"` // info/sparse-checkout of the checkout
	// Filtered are the lines of the tracked .gitattributes that assign a filter of Programs. They come after
	// Attributes, so that no .gitattributes of an agent outranks them.
	Filtered string `json:",omitempty"`
	// Alternates are the object directories that the repository borrows from. It is nil where an older version froze the rest.
	Alternates []string
	// PrePush is the hook pre-push of the repository. It is nil where an older version froze the rest.
	PrePush *hook `json:",omitempty"`
}

// maxFrozen bounds the file in bytes.
const maxFrozen = 16 << 20

func frozenFile(dir string) string { return filepath.Join(dir, "frozen.json") }

// readFrozen reads what was frozen; nil if nothing was.
func readFrozen(dir string) (*frozen, error) {
	b, err := os.ReadFile(frozenFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	f := &frozen{}
	if err == nil && len(b) <= maxFrozen {
		err = json.Unmarshal(b, f)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "read the settings of the repository that muster works with").
			WithHint("If the repository's configuration is as you want it, remove %s: muster reads it again.", dir)
	}
	return f, nil
}

// Freeze takes over the settings of the repository for its tasks, at a dispatch. The first dispatch takes all. A later
// one takes settings about content only while no worktree of the fleet is there, and refuses if what names programs
// changed meanwhile: an agent may have done that.
func (r *Repo) Freeze(ctx context.Context) error {
	dir, err := r.viewed(ctx)
	if err != nil {
		return err
	}
	r.view.mu.Lock()
	read, known, spoiled := r.view.read, r.view.frozen, r.view.spoiled
	r.view.mu.Unlock()
	if spoiled != nil {
		return spoiled
	}
	now, err := r.taken(read)
	if err != nil {
		return err
	}
	if key := changedProgram(known.Programs, now.Programs); key != "" {
		return fault.New(fault.Conflict, "%s is not what it was in the configuration of %s when muster first worked there", key, r.Common).
			WithHint("It can run a program or send work elsewhere, so look who changed it: git config --show-origin --get-all %s. "+
				"If it is as you want it: rm -r %s", text.Quote(key), text.Quote(dir))
	}
	if r.distrust || r.under != "" && inside(realPath(r.under), realPath(r.Root)) {
		return nil // the checkout is an agent's, and what it has committed decides nothing
	}
	if now.Filtered, err = r.filteredLines(ctx, now.Programs); err != nil {
		return err
	}
	if known.PrePush != nil {
		now.PrePush = known.PrePush // only a person changes it, see PushRemote
	}
	if busy, err := r.hasWorktrees(); err != nil {
		return err
	} else if busy {
		now.Exclude, now.Attributes, now.Sparse, now.Worktree = known.Exclude, known.Attributes, known.Sparse, known.Worktree
		now.Alternates = known.Alternates
		content := now.Content
		now.Content = slices.DeleteFunc(slices.Clone(known.Content), isTracking)
		now.Content = append(now.Content, slices.DeleteFunc(content, func(s setting) bool { return !isTracking(s) })...)
	}
	return r.store(dir, now)
}

// store writes what is frozen. The next use of the view takes it over.
func (r *Reader) store(dir string, f frozen) error {
	b, err := json.Marshal(f)
	if err != nil {
		return fault.Wrap(fault.Failed, err, "freeze the settings of the repository")
	}
	if old, err := os.ReadFile(frozenFile(dir)); err == nil && string(old) == string(b) {
		return nil
	}
	if err := replace.Durable(frozenFile(dir), b); err != nil {
		return fault.Wrap(fault.Failed, err, "freeze the settings of the repository")
	}
	return nil
}

// freeze takes over the settings for the first time.
func (r *Reader) freeze(dir string, read readings) (*frozen, error) {
	f, err := r.taken(read)
	if err != nil {
		return nil, err
	}
	if key := changedProgram(nil, f.Programs); r.distrust && key != "" {
		return nil, fault.New(fault.Conflict, "the configuration of %s has %s, and no person has dispatched a task there yet", r.Common, key).
			WithHint("Dispatch one from a shell of your own first: it may run a program outside of any fence.")
	}
	return &f, r.store(dir, f)
}

// hasWorktrees reports whether a worktree of the fleet is registered.
func (r *Reader) hasWorktrees() (bool, error) {
	if r.under == "" {
		return false, nil
	}
	found, err := r.linkedInside(realPath(r.under))
	return len(found) > 0, err
}

// taken selects from the repository's settings what its tasks go on with.
func (r *Reader) taken(read readings) (frozen, error) {
	f := frozen{Alternates: r.alternates()}
	var err error
	if f.PrePush, err = r.prePush(read); err != nil {
		return f, err
	}
	for _, s := range slices.Concat(read.local, read.worktree) {
		switch {
		case namesProgram(s):
			f.Programs = append(f.Programs, s)
		case isContent(s):
			f.Content = append(f.Content, s)
		}
	}
	for _, s := range read.worktree {
		if s.Key != "core.bare" && s.Key != "core.worktree" {
			f.Worktree = append(f.Worktree, s)
		}
	}
	f.Programs = whole(f.Programs)
	for _, part := range []struct {
		to        *string
		dir, name string
	}{{&f.Exclude, r.Common, "exclude"}, {&f.Attributes, r.Common, "attributes"}, {&f.Sparse, r.checkoutDir(), "sparse-checkout"}} {
		b, err := readSmall(filepath.Join(part.dir, "info", part.name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return f, fault.Wrap(fault.Failed, err, "read info/%s of %s", part.name, r.Common)
		}
		if *part.to = string(b); len(b) > 0 && b[len(b)-1] != '\n' {
			*part.to += "\n"
		}
	}
	return f, nil
}

// checkoutDir returns the git directory of the checkout that was opened.
func (r *Reader) checkoutDir() string {
	if r.rootDir != "" {
		return r.rootDir
	}
	return r.Common
}
