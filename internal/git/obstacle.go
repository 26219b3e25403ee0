package git

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Obstacle is something in a worktree that keeps its work from being published, and that the agent can mend.
type Obstacle struct {
	What string // a sentence that names the paths
	Mend string // a sentence that says what to do
}

// Obstacles fail Land: nothing was changed.
type Obstacles []Obstacle

// Error has all of them, a line each.
func (o Obstacles) Error() string {
	var lines []string
	for _, x := range o {
		lines = append(lines, x.What+" "+x.Mend)
	}
	return strings.Join(lines, "\n")
}

// WorkSpec says whose work is looked at, and against what.
type WorkSpec struct {
	Worktree string
	Branch   string // the task's; it must be checked out in Worktree
	Base     string // the commit where the branch began
	// Onto are revisions where the base is now, such as the branch that the base was taken from. What the agent merged of
	// them is not its own work. One that is gone does not count.
	Onto []string
	// Baseline is the ref of a Snapshot of the worktree as the agent found it, after setup; "" or a ref that is not there
	// is Base.
	Baseline string
}

// Obstacles looks for what keeps a snapshot of the worktree from being published: another branch, an unfinished merge
// or rebase, conflicts, submodules whose commits or changes nobody else would get, files that Copy brought. The first
// ones are the same for work that is not published; unpublished leaves the others out.
func (r *Reader) Obstacles(ctx context.Context, spec WorkSpec, s Snapshot, unpublished bool) (Obstacles, error) {
	c, err := r.inspect(ctx, spec.Worktree)
	if err != nil {
		return nil, err
	}
	found, err := r.obstacles(ctx, c, s.Tree, spec, unpublished)
	if err != nil {
		return nil, fmt.Errorf("look for what is unfinished in %s: %w", spec.Worktree, err)
	}
	return found, nil
}

func (r *Reader) obstacles(ctx context.Context, c checkout, tree string, spec WorkSpec, unpublished bool) (Obstacles, error) {
	s, err := r.scan(ctx, c)
	if err != nil {
		return nil, err
	}
	defer s.close()
	found, err := r.unended(ctx, c, s, tree)
	if err != nil || unpublished {
		return found, err
	}
	if e := wrongBranch(c, spec); e != nil && len(found) == 0 { // an unfinished rebase is the reason, and was named
		found = append(found, e.obstacle())
	}
	from, err := r.forkPoint(ctx, c.head, spec)
	if err != nil {
		return nil, err
	}
	changes, err := r.rawDiff(ctx, from, tree)
	if err != nil {
		return nil, err
	}
	inside, err := r.submoduleObstacles(ctx, s, tree, changes)
	if err != nil {
		return nil, err
	}
	copied, err := r.copiedObstacles(ctx, c, from, changes)
	return slices.Concat(found, inside, copied), err
}

// unended are the conflicts, and what a git command has begun and not ended. A merge whose conflicts are resolved is
// no obstacle: Land commits it as the agent would have.
func (r *Reader) unended(ctx context.Context, c checkout, s *scanned, tree string) (Obstacles, error) {
	var found Obstacles
	if len(s.unmerged) > 0 {
		found = append(found, Obstacle{
			What: "There are conflicts that are not resolved: " + some(s.unmerged) + ".",
			Mend: "Resolve them and `git add` the files.",
		})
	}
	operation := operationOf(c.gitDir)
	switch {
	case operation == "":
		return found, nil
	case operation == "rebase" || operation == "am" || strings.HasSuffix(operation, "series"):
		found = append(found, Obstacle{
			What: "A git " + strings.TrimSuffix(operation, " series") + " is under way.",
			Mend: fmt.Sprintf("End it with `git %[1]s --continue` or `git %[1]s --abort`.", strings.TrimSuffix(operation, " series")),
		})
		return found, nil
	}
	marked, err := r.conflictMarkers(ctx, c, tree)
	if err == nil && len(marked) > 0 {
		found = append(found, Obstacle{
			What: "A git " + operation + " is under way, and these files still have conflict markers: " + some(marked) + ".",
			Mend: "Resolve them and commit, or `git " + operation + " --abort`.",
		})
	}
	return found, err
}

// operationOf names what a git command has begun in a worktree and not ended; "" if nothing. A series is a cherry-pick or
// revert with further commits to come.
func operationOf(gitDir string) string {
	has := func(name string) bool { return exists(filepath.Join(gitDir, name)) }
	operation := ""
	switch {
	case has("rebase-apply/applying"):
		return "am"
	case has("rebase-merge"), has("rebase-apply"):
		return "rebase"
	case has("CHERRY_PICK_HEAD"):
		operation = "cherry-pick"
	case has("REVERT_HEAD"):
		operation = "revert"
	case has("MERGE_HEAD"):
		operation = "merge"
	}
	todo, _ := readSmall(filepath.Join(gitDir, "sequencer", "todo"))
	lines := strings.Count(strings.TrimSpace(string(todo)), "\n") + 1
	switch {
	case strings.TrimSpace(string(todo)) == "":
		return operation
	case operation == "" || lines > 1:
		if strings.HasPrefix(string(todo), "revert") {
			return "revert series"
		}
		return "cherry-pick series"
	}
	return operation
}

// conflictMarkers are the files of a tree in which lines that HEAD does not have look as git marks a conflict.
func (r *Reader) conflictMarkers(ctx context.Context, c checkout, tree string) ([]string, error) {
	from := c.headTree
	if from == "" {
		return nil, nil
	}
	out, err := r.git(ctx, call{args: []string{"diff-tree", "--check", "-r", from, tree}, timeout: writeTimeout})
	if err != nil && !exited(err, 2) {
		return nil, err
	}
	var files []string
	for line := range strings.Lines(out) {
		at, ok := strings.CutSuffix(strings.TrimSuffix(line, "\n"), ": leftover conflict marker")
		if i := strings.LastIndexByte(at, ':'); ok && i > 0 && !slices.Contains(files, at[:i]) {
			files = append(files, at[:i])
		}
	}
	return files, nil
}

// submoduleObstacles are the submodules of which those who check out the published commit would not get what is here.
func (r *Reader) submoduleObstacles(ctx context.Context, s *scanned, tree string, changes []change) (Obstacles, error) {
	var found Obstacles
	for _, dir := range s.loose {
		found = append(found, Obstacle{
			What: fmt.Sprintf("There are files in %s, a submodule that is not checked out, and no commit can hold them.", dir),
			Mend: "Move them elsewhere, or check it out with `git submodule update --init`.",
		})
	}
	for _, dir := range s.modules {
		m, err := r.module(ctx, filepath.Join(s.at.workTree, dir))
		switch {
		case ctx.Err() != nil:
			return nil, err
		case err != nil:
			found = append(found, Obstacle{
				What: fmt.Sprintf("The repository in %s can't be read.", dir),
				Mend: "Check it out again with `git submodule update --init`, or remove it.",
			})
		case len(m.dirty) > 0:
			found = append(found, Obstacle{
				What: fmt.Sprintf("The submodule %s has changes that are in no commit of it: %s.", dir, some(m.dirty)),
				Mend: "Commit them there, push that commit to its remote, and commit the new state of the submodule; or undo them.",
			})
		}
	}
	for _, ch := range changes {
		if ch.newMode != modeGitlink {
			continue
		}
		o, err := r.gitlinkObstacle(ctx, s, tree, ch)
		if err != nil {
			return nil, err
		}
		if o != nil {
			found = append(found, *o)
		}
	}
	return found, nil
}

// gitlinkObstacle says what is wrong with a submodule whose commit is another than the base's; nil if nothing is.
func (r *Reader) gitlinkObstacle(ctx context.Context, s *scanned, tree string, ch change) (*Obstacle, error) {
	settings, err := r.line(ctx, call{args: []string{
		"config", "--blob", tree + ":.gitmodules", "--get-regexp", `^submodule\..*\.path$`,
	}})
	if err != nil && !exited(err, 1) && !exited(err, 128) {
		return nil, err
	}
	listed := false
	for line := range strings.Lines(settings + "\n") {
		_, path, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		listed = listed || path == ch.path
	}
	if !listed {
		return &Obstacle{
			What: fmt.Sprintf("%s is a repository within the repository, and .gitmodules does not name it: the commit would hold none of its files.", ch.path),
			Mend: fmt.Sprintf("Take it out with `git rm --cached %s`, or add it with `git submodule add`.", ch.path),
		}, nil
	}
	push := &Obstacle{
		What: fmt.Sprintf("The submodule %s is at the commit %.10s, which none of its remotes has.", ch.path, ch.newHash),
		Mend: fmt.Sprintf("Push it first, in %s, so that others get it; or go back to a commit that is there.", ch.path),
	}
	m, err := r.look(ctx, filepath.Join(s.at.workTree, ch.path))
	if err != nil {
		return push, ctx.Err()
	}
	own, err := r.line(ctx, call{in: &m.place, args: []string{"rev-list", "--max-count=1", ch.newHash, "--not", "--remotes"}})
	if err != nil || own != "" {
		return push, ctx.Err()
	}
	return nil, nil
}

// copiedObstacles are the files that Copy brought, where the agent committed them or changed them.
func (r *Reader) copiedObstacles(ctx context.Context, c checkout, from string, changes []change) (Obstacles, error) {
	copied, err := copiedFiles(c.gitDir)
	if err != nil || len(copied) == 0 {
		return nil, err
	}
	contents := map[string]string{}
	for name, note := range copied {
		if note.size >= minSecret {
			contents[note.blob] = name
		}
	}
	of := func(path, blob string) string {
		if _, ok := copied[path]; ok {
			return path
		}
		return contents[blob]
	}
	var here, before []string
	for _, ch := range changes {
		if name := of(ch.path, ch.newHash); name != "" && ch.newMode != modeNone && ch.oldMode == modeNone {
			here = append(here, ch.path)
		}
	}
	if c.head != "" {
		out, err := r.git(ctx, call{args: []string{"rev-list", "--objects", c.head, "^" + from}, timeout: writeTimeout})
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(out) {
			blob, path, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
			if ok && of(path, blob) != "" && !slices.Contains(before, path) {
				before = append(before, path)
			}
		}
	}
	var found Obstacles
	if len(here) > 0 {
		found = append(found, Obstacle{
			What: fmt.Sprintf("What muster copied into the worktree is no part of the repository and is not published: %s.", some(here)),
			Mend: "Leave such files out of your commits and as they were; have .gitignore name them if need be.",
		})
	}
	if len(before) > 0 {
		found = append(found, Obstacle{
			What: fmt.Sprintf("Commits of the branch hold what muster copied into the worktree, which is not published: %s.", some(before)),
			Mend: fmt.Sprintf("Take it out of the history: `git reset --soft %.10s`, `git restore --staged PATH`, and commit again.", from),
		})
	}
	return found, nil
}

// minSecret is the size in bytes from which content alone shows that a file is a copy.
const minSecret = 8

// forkPoint is the newest commit that the work has in common with where its base is now.
func (r *Reader) forkPoint(ctx context.Context, head string, spec WorkSpec) (string, error) {
	if err := revision(spec.Base); err != nil {
		return "", err
	}
	if head == "" {
		return spec.Base, nil
	}
	args := []string{"merge-base", head, spec.Base}
	for _, rev := range spec.Onto {
		if revision(rev) != nil {
			continue
		}
		if commit, err := r.line(ctx, call{args: []string{"rev-parse", "-q", "--verify", "--end-of-options", rev + "^{commit}"}}); err == nil {
			args = append(args, commit)
		}
	}
	from, err := r.line(ctx, call{args: args})
	if exited(err, 1) { // nothing in common: Land refuses that
		return spec.Base, nil
	}
	return from, err
}

// change is one path in which two trees differ.
type change struct {
	oldMode, newMode string // modeNone if the path is not there
	oldHash, newHash string
	path             string
}

// Modes of tree entries.
const (
	modeNone    = "000000"
	modeGitlink = "160000" // the commit of a submodule
)

// rawDiff lists the paths in which two revisions or trees differ.
func (r *Reader) rawDiff(ctx context.Context, from, to string) ([]change, error) {
	out, err := r.git(ctx, call{args: []string{"diff-tree", "-r", "-z", "--no-renames", "--ignore-submodules=none", "--end-of-options", from, to}, timeout: writeTimeout})
	if err != nil {
		return nil, err
	}
	var changes []change
	for parts := fields(out); len(parts) >= 2; parts = parts[2:] {
		f := strings.Fields(strings.TrimPrefix(parts[0], ":"))
		if len(f) != 5 {
			return nil, fmt.Errorf("git diff-tree: unexpected %q", parts[0])
		}
		changes = append(changes, change{oldMode: f[0], newMode: f[1], oldHash: f[2], newHash: f[3], path: parts[1]})
	}
	return changes, nil
}

// some names a few paths.
func some(paths []string) string {
	const most = 5
	if len(paths) <= most {
		return strings.Join(paths, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(paths[:most], ", "), len(paths)-most)
}

// wrongBranch is an error if the task's branch is not checked out.
func wrongBranch(c checkout, spec WorkSpec) *BranchError {
	if c.branch == "refs/heads/"+spec.Branch {
		return nil
	}
	e := &BranchError{Worktree: spec.Worktree, Want: spec.Branch, Have: strings.TrimPrefix(c.branch, "refs/heads/")}
	if operationOf(c.gitDir) == "rebase" {
		e.Doing = "rebase"
	}
	return e
}

// obstacle says it to the agent.
func (e *BranchError) obstacle() Obstacle {
	have := "the branch " + e.Have + " is checked out"
	if e.Have == "" {
		have = "no branch is checked out"
	}
	return Obstacle{
		What: fmt.Sprintf("Only the branch %s is published, and %s.", e.Want, have),
		Mend: fmt.Sprintf("Bring your commits there: `git checkout -B %s`.", e.Want),
	}
}

// Changed reports whether a snapshot holds a change of the agent's own: content that differs from the newest commit in
// common with the base, and that setup did not leave there. Commits without content and merges of the base are none.
func (r *Reader) Changed(ctx context.Context, spec WorkSpec, s Snapshot) (bool, error) {
	from, err := r.forkPoint(ctx, s.Head, spec)
	if err != nil {
		return false, fmt.Errorf("compare with base: %w", err)
	}
	changes, err := r.rawDiff(ctx, from, s.Tree)
	if err != nil || len(changes) == 0 || spec.Baseline == "" {
		return len(changes) > 0, err
	}
	baseline, err := r.described(ctx, spec.Baseline)
	if err != nil || baseline.commit == "" {
		return true, err
	}
	left, err := r.rawDiff(ctx, spec.Base, baseline.tree)
	if err != nil {
		return false, err
	}
	type entry struct{ path, mode, hash string }
	setup := map[entry]bool{}
	for _, ch := range left {
		setup[entry{ch.path, ch.newMode, ch.newHash}] = true
	}
	return slices.ContainsFunc(changes, func(ch change) bool { return !setup[entry{ch.path, ch.newMode, ch.newHash}] }), nil
}
