package daemon

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"muster/internal/change"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/fleet"
	"muster/internal/git"
	"muster/internal/home"
	"muster/internal/life"
	"muster/internal/text"
)

// worktrees implements fleet.Worktrees and fleet.Shipper with git.
type worktrees struct {
	home home.Dir
	env  []string
	// other returns another task, for a base such as @t3.
	other  func(ctx context.Context, id event.TaskID) (life.Task, error)
	opened *sync.Map // *openedRepo by its git directory and the checkout
}

// openedRepo caches the repository of one checkout after it was found.
type openedRepo struct {
	mu   sync.Mutex
	repo *git.Repo
}

// open returns the repository of a task, also if the checkout of its dispatch is gone. A repository is reused as long
// as it is in its place, which saves git processes. All actions share one value, so that they queue for its lock in
// this process instead of polling for it.
func (w worktrees) open(ctx context.Context, t life.Task) (*git.Repo, error) {
	where := git.Locator{GitDir: t.Spec.GitDir, Checkout: t.Spec.Repo, Worktree: t.Worktree}
	found, _ := w.opened.LoadOrStore(where.GitDir+"\x00"+where.Checkout, &openedRepo{})
	c, ok := found.(*openedRepo)
	if !ok {
		return nil, fmt.Errorf("unexpected %T in the cache", found)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.repo != nil && c.repo.There() {
		return c.repo, nil
	}
	repo, err := git.Find(ctx, where, git.Env(w.env), git.Under(w.home.WorktreesDir()), git.Private(w.home.GitDir()))
	if err != nil {
		return nil, err
	}
	c.repo = repo
	return repo, nil
}

// Prepare implements fleet.Worktrees.
func (w worktrees) Prepare(ctx context.Context, t life.Task) (event.WorktreeReady, error) {
	repo, err := w.open(ctx, t)
	if err != nil {
		return event.WorktreeReady{}, err
	}
	base, from, err := w.base(ctx, repo, t)
	if err != nil {
		return event.WorktreeReady{}, err
	}
	branch := t.Branch
	if branch == "" {
		branch = git.OwnBranches + home.Slugged(t.ID, t.Spec.Slug)
	}
	wt, err := repo.Prepare(ctx, git.WorktreeSpec{
		Path: w.home.Worktree(t.ID, t.Spec.Slug), Branch: branch, Base: base, Task: string(t.ID), Owner: w.owner(t),
	})
	if err != nil {
		return event.WorktreeReady{}, err
	}
	if err := repo.Copy(ctx, wt.Path, t.Spec.Copy); err != nil {
		return event.WorktreeReady{}, err
	}
	ready := event.WorktreeReady{Path: wt.Path, Branch: wt.Branch, Base: wt.Base, From: from}
	if t.Base != "" {
		ready.Base = t.Base // the base never moves: everything since then is the agent's work
	}
	return ready, nil
}

// baseFiles returns files of the commit that a task began with, by path.
type baseFiles func(ctx context.Context, t life.Task, paths ...string) (map[string][]byte, error)

// baseFiles implements the type of that name.
func (w worktrees) baseFiles(ctx context.Context, t life.Task, paths ...string) (map[string][]byte, error) {
	repo, err := w.open(ctx, t)
	if err != nil {
		return nil, err
	}
	return repo.Blobs(ctx, t.Base, paths...)
}

// There implements fleet.Worktrees.
func (w worktrees) There(t life.Task) bool {
	_, err := os.Lstat(w.home.Worktree(t.ID, t.Spec.Slug))
	return !errors.Is(err, fs.ErrNotExist)
}

// base returns the revision that a task starts from. If that is the work of another task, it is the newest state of
// that work, and from names where that state was found.
func (w worktrees) base(ctx context.Context, repo *git.Repo, t life.Task) (base, from string, err error) {
	id, ok := strings.CutPrefix(t.Spec.Base, "@")
	switch {
	case !ok:
		return t.Spec.Base, "", nil
	case t.Base != "":
		return t.Base, "", nil // it has begun already, and later work of the other task does not count
	}
	o, err := w.other(ctx, event.TaskID(id))
	if err != nil {
		return "", "", err
	}
	if o.Branch == "" {
		return "", "", fault.New(fault.Conflict, "%s has no branch yet, so nothing can start from it", id).
			WithHint("Wait until it has begun: muster show %s. Then: muster retry %s", id, t.ID)
	}
	work := git.Work{Worktree: o.Worktree, Branch: o.Branch}
	if published := o.Published != nil && o.Published.Branch != ""; !published && len(o.Kept) > 0 {
		work.Kept = o.Kept[len(o.Kept)-1]
	}
	return repo.StartFrom(ctx, work, w.rounds(t)+"/from")
}

// owner distinguishes a task from all others that ever had its id. After the loss of the state, or with a backup, an
// id is given again, and the branch of the earlier task must not be used.
func (w worktrees) owner(t life.Task) string {
	return fmt.Sprintf("%s %s", w.home, t.QueuedAt.UTC().Format(time.RFC3339Nano))
}

// Snapshot implements fleet.Worktrees.
func (w worktrees) Snapshot(ctx context.Context, t life.Task, round int) (fleet.Snapshot, error) {
	repo, err := w.open(ctx, t)
	if err != nil {
		return fleet.Snapshot{}, err
	}
	snap, err := repo.Snapshot(ctx, t.Worktree, fmt.Sprintf("%s/%d", w.rounds(t), round), fmt.Sprintf("muster: %s round %d", t.ID, round))
	if err != nil {
		return fleet.Snapshot{}, err
	}
	work := w.work(ctx, t)
	files, err := repo.OwnChanges(ctx, work, snap, t.Spec.Done.Sized() || t.Spec.Race != nil)
	if err != nil {
		return fleet.Snapshot{}, err
	}
	found, err := repo.Obstacles(ctx, work, snap, t.Spec.Publish == event.PublishNone)
	if err != nil {
		return fleet.Snapshot{}, err
	}
	size := 0
	for _, f := range files {
		size += f.Added + f.Removed
	}
	return fleet.Snapshot{
		Size: size, Commit: snap.Commit, Tree: snap.Tree, Changed: len(files)+len(found) > 0, Obstacle: found.Error(),
		Findings: change.Find(t.Spec.Done, t.Spec.Checks, files), Skipped: change.Skipped(t.Spec.Checks, files),
	}, nil
}

// Baseline implements fleet.Worktrees.
func (w worktrees) Baseline(ctx context.Context, t life.Task) error {
	repo, err := w.open(ctx, t)
	if err != nil {
		return err
	}
	_, err = repo.Snapshot(ctx, t.Worktree, w.work(ctx, t).Baseline, fmt.Sprintf("muster: %s begins", t.ID))
	return err
}

// work returns what git needs to judge the work of a task.
func (w worktrees) work(ctx context.Context, t life.Task) git.WorkSpec {
	work := git.WorkSpec{Worktree: t.Worktree, Branch: t.Branch, Base: t.Base, Baseline: w.rounds(t) + "/start"}
	base := t.Spec.Base
	if id, ok := strings.CutPrefix(base, "@"); ok {
		o, _ := w.other(ctx, event.TaskID(id)) // nothing was merged from a task that is gone
		base = o.Branch
	}
	if base != "" {
		work.Onto = []string{base, base + "@{upstream}"}
	}
	if t.Spec.Into != "" { // the agent merges it where it conflicts
		work.Onto = append(work.Onto, "refs/remotes/"+t.Spec.Remote+"/"+t.Spec.Into)
	}
	return work
}

// rounds returns the prefix of the refs of a task's snapshots. It names the fleet, because two fleets may share a
// repository and have tasks with the same id.
func (w worktrees) rounds(t life.Task) string {
	fleet := sha256.Sum256([]byte(w.home))
	return fmt.Sprintf("refs/muster/round/%x/%s", fleet[:4], t.ID)
}

// Tree implements fleet.Worktrees.
func (w worktrees) Tree(ctx context.Context, t life.Task) (string, error) {
	repo, err := w.open(ctx, t)
	if err != nil {
		return "", err
	}
	return repo.Tree(ctx, t.Worktree)
}

// Publish implements fleet.Shipper.
func (w worktrees) Publish(ctx context.Context, t life.Task, tree string) (event.WorkPublished, error) {
	out := event.WorkPublished{Mode: t.Spec.Publish, Branch: t.Branch, Tree: tree}
	if t.Spec.Publish == event.PublishNone {
		return out, nil
	}
	repo, err := w.open(ctx, t)
	if err != nil {
		return out, err
	}
	out.Commit, err = repo.Land(ctx, git.LandSpec{WorkSpec: w.work(ctx, t), Tree: tree, Message: commitMessage(t)})
	if errors.Is(err, git.ErrMoved) {
		return out, fmt.Errorf("%w: %w", fleet.ErrMoved, err)
	}
	if err != nil || t.Spec.Remote == "" { // it goes nowhere else
		return out, err
	}
	if err := repo.Push(ctx, git.PushSpec{Remote: t.Spec.Remote, Branch: t.Branch, Commit: out.Commit, Task: string(t.ID)}); err != nil {
		return out, pushFault(repo, t, err)
	}
	out.Remote = t.Spec.Remote
	return out, nil
}

// pushFault returns the error of a push with its next step. A remote that cannot be used now is a fleet.ErrRemote; what a
// person must decide is a fault.Conflict.
func pushFault(repo *git.Repo, t life.Task, err error) error {
	at := text.Quote(repo.Root)
	switch {
	case errors.Is(err, git.ErrLogin):
		return fault.Wrap(fault.Failed, fmt.Errorf("%w: %w", fleet.ErrRemote, err), "publish %s", t.Branch).
			WithHint("Mend the login; muster tries again by itself. Try it: %s", git.TryPushCommand(repo.Root, t.Spec.Remote))
	case errors.Is(err, git.ErrUnreachable):
		return fmt.Errorf("%w: %w", fleet.ErrRemote, err)
	case errors.Is(err, git.ErrDiverged):
		return fault.Wrap(fault.Conflict, err, "nothing was overwritten").
			WithHint("Look at it: git -C %[1]s fetch %[2]s %[3]s, then git -C %[1]s log %[3]s..FETCH_HEAD. If it can go: git -C %[1]s push %[2]s --delete %[3]s. Then: muster retry %[4]s",
				at, t.Spec.Remote, t.Branch, t.ID)
	case errors.Is(err, git.ErrDeclined):
		return fault.Wrap(fault.Conflict, err, "the branch %s is complete here", t.Branch).
			WithHint("Change what it names, then: muster retry %s", t.ID)
	}
	return err
}

// commitMessage returns the message of the commit with the agent's uncommitted work.
func commitMessage(t life.Task) string {
	return fmt.Sprintf("%s\n\nMuster-Task: %s", t.Spec.Name, t.ID)
}

// Keep implements fleet.Worktrees.
func (w worktrees) Keep(ctx context.Context, t life.Task) (string, error) {
	repo, err := w.open(ctx, t)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(t.Worktree); errors.Is(err, fs.ErrNotExist) {
		return "", nil // removed already, before a crash or by a person: there is nothing to keep
	}
	if err := repo.Adopt(ctx, git.WorktreeSpec{Path: t.Worktree, Task: string(t.ID), Owner: w.owner(t)}); err != nil {
		return "", err
	}
	published := ""
	switch {
	case t.Published != nil:
		published = t.Published.Commit
	case t.Spec.Review != nil: // it is kept by the author's round
		published = t.Spec.Review.Commit
	}
	return repo.Keep(ctx, t.Worktree, string(t.ID), published)
}

// Restore implements fleet.Worktrees.
func (w worktrees) Restore(ctx context.Context, t life.Task, ref string) error {
	repo, err := w.open(ctx, t)
	if err != nil {
		return err
	}
	return repo.Restore(ctx, git.RestoreSpec{Path: w.home.Worktree(t.ID, t.Spec.Slug), Branch: t.Branch, Ref: ref})
}

// WatchStash implements fleet.Worktrees.
func (w worktrees) WatchStash(ctx context.Context, t life.Task) ([]event.StashKept, error) {
	repo, err := w.open(ctx, t)
	if err != nil {
		return nil, err
	}
	gone, err := repo.WatchStash(ctx, w.rounds(t)+"/stash", "refs/muster/stash/"+string(t.ID))
	var kept []event.StashKept
	for _, e := range gone {
		kept = append(kept, event.StashKept{Ref: e.Ref, Commit: e.Commit, Text: text.Line(e.Subject, 200)})
	}
	return kept, err
}

// Remove implements fleet.Worktrees. The caller has kept everything.
func (w worktrees) Remove(ctx context.Context, t life.Task) error {
	repo, err := w.open(ctx, t)
	if err != nil {
		return err
	}
	if err := repo.RemoveWorktree(ctx, t.Worktree, true); err != nil {
		return err
	}
	if t.Spec.Review != nil { // its branch has the author's work, and nothing of its own that was not kept
		if err := repo.DropBranch(ctx, t.Branch); err != nil {
			return err
		}
	}
	return repo.DropRefs(ctx, w.rounds(t))
}

// SetAside implements fleet.Worktrees.
func (w worktrees) SetAside(_ context.Context, t life.Task) (string, error) {
	return git.SetAside(t.Worktree, w.home.SetAsideDir())
}
