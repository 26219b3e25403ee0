package git

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"muster/internal/text"
)

// Obstacle is something in a worktree that keeps its work from being published and that the agent can fix.
type Obstacle struct {
	What string // a sentence that names the paths
	Fix  string // a sentence that says what to do
}

// Obstacles is the error of Land if the work cannot be published. Nothing was changed then.
type Obstacles []Obstacle

// Error returns all of them, one per line.
func (o Obstacles) Error() string {
	var lines []string
	for _, x := range o {
		lines = append(lines, x.What+" "+x.Fix)
	}
	return strings.Join(lines, "\n")
}

// WorkSpec names the work to look at and what to compare it with.
type WorkSpec struct {
	Worktree string
	Branch   string // the task's; it must be checked out in Worktree
	Base     string // the commit where the branch began
	// Onto are revisions where the base is now, such as the branch that the base was taken from. Commits that the
	// agent merged from them are not its own work. A missing one is ignored.
	Onto []string
	// Baseline is the ref of a Snapshot of the worktree as the agent found it, after setup. If it is "" or missing,
	// Base is used.
	Baseline string
}

// Obstacles returns what keeps a snapshot of the worktree from being published: another branch, an unfinished merge
// or rebase, conflicts, submodules whose commits or changes others would not get, files that Copy brought. With
// unpublished it returns only conflicts and unfinished operations, which matter for work that is not published, too.
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
	if e := wrongBranch(c, spec); e != nil && len(found) == 0 { // an unfinished rebase is the reason and is listed
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
	if err != nil {
		return nil, err
	}
	plain, err := r.plainObstacles(ctx, s, from)
	return slices.Concat(found, inside, copied, plain), err
}

// unended returns the conflicts and the git commands that were begun and not finished. A merge whose conflicts are
// resolved is not an obstacle: Land commits it as the agent would have.
func (r *Reader) unended(ctx context.Context, c checkout, s *scanned, tree string) (Obstacles, error) {
	var found Obstacles
	if len(s.unmerged) > 0 {
		found = append(found, Obstacle{
			What: "There are conflicts that are not resolved: " + some(s.unmerged) + ".",
			Fix:  "Resolve them and `git add` the files.",
		})
	}
	operation := operationOf(c.gitDir)
	switch {
	case operation == "":
		return found, nil
	case operation == "rebase" || operation == "am" || strings.HasSuffix(operation, "series"):
		found = append(found, Obstacle{
			What: "A git " + strings.TrimSuffix(operation, " series") + " is under way.",
			Fix:  fmt.Sprintf("End it with `git %[1]s --continue` or `git %[1]s --abort`.", strings.TrimSuffix(operation, " series")),
		})
		return found, nil
	}
	marked, err := r.conflictMarkers(ctx, c, tree)
	if err == nil && len(marked) > 0 {
		found = append(found, Obstacle{
			What: "A git " + operation + " is under way, and these files still have conflict markers: " + some(marked) + ".",
			Fix:  "Resolve them and commit, or `git " + operation + " --abort`.",
		})
	}
	return found, err
}

// operationOf returns the name of the git command that was begun in a worktree and not finished; "" if there is none.
// A series is a cherry-pick or revert with further commits to come.
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

// conflictMarkers returns the files of a tree with new lines, compared with HEAD, that look like conflict markers.
func (r *Reader) conflictMarkers(ctx context.Context, c checkout, tree string) ([]string, error) {
	from := c.headTree
	if from == "" {
		return nil, nil
	}
	out, err := r.git(ctx, call{args: []string{"diff-tree", "--check", "-r", from, tree}, long: true})
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

// submoduleObstacles returns the submodules whose state would be missing for others who check out the published
// commit.
func (r *Reader) submoduleObstacles(ctx context.Context, s *scanned, tree string, changes []change) (Obstacles, error) {
	var found Obstacles
	for _, dir := range s.loose {
		found = append(found, Obstacle{
			What: fmt.Sprintf("There are files in %s, a submodule that is not checked out, and no commit can hold them.", dir),
			Fix:  "Move them elsewhere, or check it out with `git submodule update --init`.",
		})
	}
	for _, dir := range s.modules {
		m, err := r.module(ctx, s.tmp, filepath.Join(s.at.workTree, dir))
		switch {
		case ctx.Err() != nil:
			return nil, err
		case err != nil:
			found = append(found, Obstacle{
				What: fmt.Sprintf("The repository in %s can't be read.", dir),
				Fix:  "Check it out again with `git submodule update --init`, or remove it.",
			})
		case len(m.dirty) > 0:
			found = append(found, Obstacle{
				What: fmt.Sprintf("The submodule %s has changes that are in no commit of it: %s.", dir, some(m.dirty)),
				Fix:  "Commit them there, push that commit to its remote, and commit the new state of the submodule; or undo them.",
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

// gitlinkObstacle returns the problem with a submodule whose commit differs from the base's; nil if there is none.
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
			Fix:  fmt.Sprintf("Take it out with `git rm --cached %s`, or add it with `git submodule add`.", ch.path),
		}, nil
	}
	push := &Obstacle{
		What: fmt.Sprintf("The submodule %s is at the commit %.10s, which none of its remotes has.", ch.path, ch.newHash),
		Fix:  fmt.Sprintf("Push it first, in %s, so that others get it; or go back to a commit that is there.", ch.path),
	}
	m, err := r.look(ctx, s.tmp, filepath.Join(s.at.workTree, ch.path))
	if err != nil {
		return push, ctx.Err()
	}
	own, err := r.line(ctx, m.inView("rev-list", "--max-count=1", ch.newHash, "--not", "--remotes"))
	if err != nil || own != "" {
		return push, ctx.Err()
	}
	return nil, nil
}

// copiedObstacles returns the files that Copy brought and that the agent committed or changed.
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
		out, err := r.git(ctx, call{args: []string{"rev-list", "--objects", c.head, "^" + from}, long: true})
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
			Fix:  "Leave such files out of your commits and as they were; have .gitignore name them if need be.",
		})
	}
	if len(before) > 0 {
		found = append(found, Obstacle{
			What: fmt.Sprintf("Commits of the branch hold what muster copied into the worktree, which is not published: %s.", some(before)),
			Fix:  fmt.Sprintf("Take it out of the history: `git reset --soft %.10s`, `git restore --staged PATH`, and commit again.", from),
		})
	}
	return found, nil
}

// minSecret is the size in bytes from which content alone shows that a file is a copy.
const minSecret = 8

// forkPoint returns the newest commit that the work has in common with the present base.
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
	if exited(err, 1) { // no common history: Land refuses that
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
	out, err := r.git(ctx, call{args: []string{"diff-tree", "-r", "-z", "--no-renames", "--ignore-submodules=none", "--end-of-options", from, to}, long: true})
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

// some joins the first few paths for a message.
func some(paths []string) string { return text.Some(paths, 5) }

// wrongBranch returns an error if the task's branch is not checked out.
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

// obstacle returns the error as an Obstacle for the agent.
func (e *BranchError) obstacle() Obstacle {
	have := "the branch " + e.Have + " is checked out"
	if e.Have == "" {
		have = "no branch is checked out"
	}
	return Obstacle{
		What: fmt.Sprintf("Only the branch %s is published, and %s.", e.Want, have),
		Fix:  fmt.Sprintf("Bring your commits there: `git checkout -B %s`.", e.Want),
	}
}

// OwnChanges returns the files in which a snapshot holds a change of the agent's own: content that differs from the newest
// commit in common with the base and that setup did not produce. Commits without content and merges of the base do not
// count. The numbers of changed lines are counted only on request, because git reads both contents of each file for them.
func (r *Reader) OwnChanges(ctx context.Context, spec WorkSpec, s Snapshot, lines bool) ([]FileChange, error) {
	changes, from, err := r.ownChanges(ctx, spec, s)
	if err != nil || len(changes) == 0 {
		return nil, err
	}
	of := map[string]FileChange{}
	if lines {
		all, err := r.ChangedLines(ctx, from, s.Tree)
		if err != nil {
			return nil, err
		}
		for _, c := range all {
			of[c.Path] = c
		}
	}
	added := map[string]bool{}
	for _, ch := range changes {
		if ch.oldMode == noMode {
			added[ch.newHash] = true
		}
	}
	out := make([]FileChange, len(changes))
	for i, ch := range changes {
		out[i] = FileChange{
			Path: ch.path, Added: of[ch.path].Added, Removed: of[ch.path].Removed, New: ch.oldMode == noMode, Gone: ch.newMode == noMode,
			Moved: ch.newMode == noMode && added[ch.oldHash],
		}
	}
	return out, nil
}

// noMode is the mode of a file that is on one side of a difference only.
const noMode = "000000"

// ownChanges returns the changes that OwnChanges is about, and the commit from which it counts them.
func (r *Reader) ownChanges(ctx context.Context, spec WorkSpec, s Snapshot) (changes []change, from string, err error) {
	if from, err = r.forkPoint(ctx, s.Head, spec); err != nil {
		return nil, "", fmt.Errorf("compare with base: %w", err)
	}
	changes, err = r.rawDiff(ctx, from, s.Tree)
	if err != nil || len(changes) == 0 || spec.Baseline == "" {
		return changes, from, err
	}
	baseline, err := r.described(ctx, spec.Baseline)
	if err != nil || baseline.commit == "" {
		return changes, from, err
	}
	left, err := r.rawDiff(ctx, spec.Base, baseline.tree)
	if err != nil {
		return nil, "", err
	}
	type entry struct{ path, mode, hash string }
	setup := map[entry]bool{}
	for _, ch := range left {
		setup[entry{ch.path, ch.newMode, ch.newHash}] = true
	}
	return slices.DeleteFunc(changes, func(ch change) bool { return setup[entry{ch.path, ch.newMode, ch.newHash}] }), from, nil
}
