package git

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"muster/internal/fault"
	"muster/internal/regular"
)

// keptBy is the name of an empty file that keeps git from removing a directory of refs when it packs them. git takes no
// file whose name begins with a dot for a ref.
const keptBy = ".muster"

// AgentPaths returns the files of a repository that an agent in the worktree needs, for a fence. With read it can use git's
// history; what is in write it needs to commit on branches below muster/. The paths exist afterwards. Nothing that the
// agent can write says where they are.
func (r *Reader) AgentPaths(ctx context.Context, worktree string) (read, write []string, err error) {
	if _, err := os.Lstat(filepath.Join(r.Common, "reftable")); err == nil {
		return nil, nil, fault.New(fault.Conflict, "the repository %s keeps all refs in one table, and a fence cannot open a part of it", r.Common).
			WithHint("Set git = \"read\" under [fence], or convert the repository: git refs migrate --ref-format=files")
	}
	admin := filepath.Join(r.Common, "worktrees", filepath.Base(worktree))
	if registeredAt(admin) != filepath.Join(realPath(worktree), ".git") {
		if admin, err = r.registration(worktree); err != nil {
			return nil, nil, err
		}
	}
	if admin == "" {
		return nil, nil, fault.New(fault.Conflict, "the repository %s knows no worktree %s", r.Common, worktree).
			WithHint("Repair it: git worktree repair %s", worktree)
	}
	write = []string{filepath.Join(r.Common, "objects"), admin}
	for _, dir := range []string{"refs/heads/muster", "logs/refs/heads/muster"} {
		dir = filepath.Join(r.Common, dir)
		if err := os.MkdirAll(dir, 0o777); err != nil { //nolint:gosec // as git makes it, under the umask
			return nil, nil, fault.Wrap(fault.Failed, err, "make the directory for the refs of agents").WithHint("Make %s writable.", r.Common)
		}
		if err := regular.Ensure(filepath.Join(dir, keptBy), 0o666); err != nil {
			return nil, nil, fault.Wrap(fault.Failed, err, "keep the directory for the refs of agents").WithHint("Make %s writable.", r.Common)
		}
		write = append(write, dir)
	}
	if lfs := filepath.Join(r.Common, "lfs"); isRealDir(lfs) {
		write = append(write, lfs) // files that git-lfs has fetched or will push
	}
	if r.private == "" { // for a person's own command
		return append([]string{r.Common}, r.alternates()...), write, nil
	}
	if _, err := r.viewed(ctx); err != nil {
		return nil, nil, err
	}
	_, known := r.view.settings()
	return append([]string{r.Common}, known.Alternates...), write, nil
}

// alternates returns the object directories of other repositories that this one borrows from, as the repository says now. It is
// frozen with the other settings of the repository: an agent can write the list, and would be granted any repository of the user.
func (r *Reader) alternates() []string {
	b, err := readSmall(filepath.Join(r.Common, "objects", "info", "alternates"))
	if err != nil {
		return []string{}
	}
	out := []string{}
	for line := range strings.Lines(string(b)) {
		dir := strings.TrimRight(line, "\n")
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(r.Common, "objects", dir)
		}
		dir = realPath(dir)
		if filepath.Base(dir) == "objects" && isRealDir(filepath.Join(dir, "pack")) && isRealDir(filepath.Join(dir, "info")) {
			out = append(out, dir)
		}
	}
	return out
}

func isRealDir(path string) bool {
	st, err := os.Lstat(path)
	return err == nil && st.IsDir()
}
