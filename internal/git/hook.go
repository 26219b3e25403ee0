package git

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"muster/internal/environ"
	"muster/internal/fault"
	"muster/internal/regular"
	"muster/internal/text"
)

// hook is the hook pre-push of a repository as it was frozen. An agent can write the file, so that a push runs a copy of
// what it was.
type hook struct {
	Path    string `json:",omitempty"` // where it was; "" if there is none
	Content []byte `json:",omitempty"` // nil if it is not run
	// User is set if the user's own configuration says where hooks are. Then nothing is frozen.
	User bool `json:",omitempty"`
	// Why says why the hook is not run although there is one; "" if it is run.
	Why string `json:",omitempty"`
}

const (
	prePushName = "pre-push"
	maxHook     = 1 << 20
)

// lastOf returns the value of a setting that counts, from lists with the weakest first; "" if none has it.
func lastOf(key string, lists ...[]setting) string {
	value := ""
	for _, s := range slices.Concat(lists...) {
		if s.Key == key && s.Value != nil {
			value = *s.Value
		}
	}
	return value
}

// prePush reads the hook pre-push of the repository.
func (r *Reader) prePush(read readings) (*hook, error) {
	dir := filepath.Join(r.Common, "hooks")
	if of := lastOf("core.hookspath", read.local, read.worktree); of != "" {
		dir = r.expand(of)
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(r.Root, dir)
		}
	} else if lastOf("core.hookspath", read.user) != "" {
		return &hook{User: true}, nil
	}
	h := &hook{Path: filepath.Join(dir, prePushName)}
	st, err := os.Stat(h.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && st.Mode()&0o111 == 0:
		return &hook{}, nil
	case err != nil:
		return nil, fault.Wrap(fault.Failed, err, "look at the hook pre-push of %s", r.Common)
	case r.ofTree(dir):
		h.Why = "it is a file of the project, which an agent can change"
		return h, nil
	}
	if h.Content, err = regular.ReadFollow(h.Path, maxHook); err != nil {
		h.Content, h.Why = nil, "it cannot be copied: "+err.Error()
	}
	return h, nil
}

// ofTree reports whether a directory belongs to a checkout or a worktree, and not to the git directory.
func (r *Reader) ofTree(dir string) bool {
	real := realPath(dir)
	if inside(realPath(r.Common), real) {
		return false
	}
	return inside(realPath(r.Root), real) || r.under != "" && inside(realPath(r.under), real)
}

// expand replaces a leading ~ by the home directory.
func (r *Reader) expand(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		return filepath.Join(environ.Get(r.env, "HOME"), rest)
	}
	return path
}

// hooks returns the directory of the hooks for a push; it is made if it has to be.
func (p *pushing) hooks(read readings, f frozen) (string, error) {
	const none = "/dev/null"
	h := f.PrePush
	switch {
	case h == nil:
		return none, nil
	case h.User:
		dir := p.r.expand(lastOf("core.hookspath", read.user))
		if !filepath.IsAbs(dir) || p.r.ofTree(dir) || p.r.writable(dir) {
			return none, nil
		}
		return dir, nil
	case h.Content == nil:
		return none, nil
	}
	dir := filepath.Join(p.dir, "hooks")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", fault.Wrap(fault.Failed, err, "prepare the push")
	}
	if err := os.WriteFile(filepath.Join(dir, prePushName), h.Content, 0o700); err != nil { //nolint:gosec // it is run
		return "", fault.Wrap(fault.Failed, err, "prepare the push")
	}
	return dir, nil
}

// Destination is where the work of a task is pushed to.
type Destination struct {
	Remote string
	URL    string // as the configuration has it
	// Notice is what a person may wrongly expect of the push; "" for nothing.
	Notice string
}

// Destination returns the remote that work on a base is pushed to, as git push in the checkout would choose it: the push
// remote of the branch, remote.pushDefault, the remote that the branch follows, origin, or the only remote. base may be
// "" or something else than a branch. Its errors have code fault.Conflict.
func (r *Repo) Destination(ctx context.Context, base string) (Destination, error) {
	dir, err := r.viewed(ctx)
	if err != nil {
		return Destination{}, err
	}
	read, known := r.view.settings()
	if known.PrePush != nil && !r.distrust {
		now, err := r.prePush(read)
		if err != nil {
			return Destination{}, err
		}
		if now.Path != known.PrePush.Path || string(now.Content) != string(known.PrePush.Content) || now.User != known.PrePush.User {
			return Destination{}, fault.New(fault.Conflict, "the hook pre-push of %s is not what it was when muster first worked there", r.Common).
				WithHint("It runs outside of any fence when work is pushed, so look who changed it: %s. If it is as you want it: rm -r %s",
					text.Quote(filepath.Join(r.Common, "hooks", prePushName)), text.Quote(dir))
		}
	}
	var to Destination
	var remotes []string
	for _, s := range slices.Concat(read.user, known.Programs) {
		if section, sub, name := s.name(); section == "remote" && (name == "url" || name == "pushurl") && remoteName(sub) && !slices.Contains(remotes, sub) {
			remotes = append(remotes, sub)
		}
	}
	for _, key := range []string{"branch." + base + ".pushremote", "remote.pushdefault", "branch." + base + ".remote"} {
		if to.Remote = lastOf(key, read.user, read.local, read.worktree); to.Remote != "" && to.Remote != "." {
			break
		}
		to.Remote = ""
	}
	switch {
	case len(remotes) == 0:
		return to, fault.New(fault.Conflict, "%s has no remote to push to", r.Root).
			WithHint("Add one: git -C %s remote add origin URL. Or use --publish branch.", text.Quote(r.Root))
	case to.Remote != "":
	case slices.Contains(remotes, "origin"):
		to.Remote = "origin"
	case len(remotes) == 1:
		to.Remote = remotes[0]
	default:
		return to, fault.New(fault.Conflict, "%s has the remotes %s, and none is the one to push to", r.Root, strings.Join(remotes, ", ")).
			WithHint("Choose: git -C %s config remote.pushDefault NAME", text.Quote(r.Root))
	}
	if !slices.Contains(remotes, to.Remote) {
		return to, fault.New(fault.Conflict, "the remote %q to push to has no URL in %s", to.Remote, r.Root).
			WithHint("Add it: git -C %s remote add NAME URL, and choose it: git config remote.pushDefault NAME", text.Quote(r.Root))
	}
	for _, key := range []string{"remote." + to.Remote + ".url", "remote." + to.Remote + ".pushurl"} {
		to.URL = cmp.Or(lastOf(key, read.user, known.Programs), to.URL)
	}
	if h := known.PrePush; h != nil && h.Why != "" {
		to.Notice = "The hook " + h.Path + " is not run when muster pushes: " + h.Why + ". Make what it checks one of [checks]."
	}
	return to, nil
}
