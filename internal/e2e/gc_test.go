package e2e

import (
	"os"
	"strings"
	"testing"

	"muster/internal/event"
	"muster/internal/life"
)

// TestAPersonWhoCollectsGarbageLosesNoWork runs everything by which git throws away what nothing names, while tasks are
// at work, parked, and waiting for their turn.
func TestAPersonWhoCollectsGarbageLosesNoWork(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	parked := f.dispatch("append early.txt x\nonce exit 0\nappend early.txt y\ndone", "--attempts", "1")
	f.reaches(parked, event.Parked)
	atWork := f.working(1, "--publish", "branch")[0]
	queued := f.dispatch("append later.txt x\ndone", "--after", string(atWork), "--base", "@"+string(atWork))
	unnamed := f.git("commit-tree", "HEAD^{tree}", "-m", "no branch names this commit")
	lost := f.dispatch("append lost.txt x\ndone", "--after", string(atWork), "--base", unnamed)

	tree := f.task(atWork).Worktree
	f.write(tree+"/staged.txt", "staged\n")
	f.gitIn(tree, "add", "staged.txt")
	f.write(tree+"/loose.txt", "loose\n")
	f.git("reflog", "expire", "--expire=now", "--all")
	f.git("gc", "-q", "--prune=now")
	f.git("worktree", "prune", "--expire=now")
	f.git("fsck", "--connectivity-only")

	if data, err := os.ReadFile(f.task(parked).Worktree + "/early.txt"); err != nil || !strings.HasPrefix(string(data), "x") {
		t.Errorf("the parked task's work: %q, %v", data, err)
	}
	f.must("retry", string(parked))
	f.release(atWork, "go-on")
	branch := f.reaches(atWork, event.Done).Branch
	for _, name := range []string{"a.txt", "staged.txt", "loose.txt"} {
		if f.git("show", branch+":"+name) == "" {
			t.Errorf("%s of %s is not published", name, atWork)
		}
	}
	if got := f.git("show", f.reaches(parked, event.Done).Branch+":early.txt"); !strings.Contains(got, "x") || !strings.Contains(got, "y") {
		t.Errorf("the parked task has published %q", got)
	}
	if got := f.git("show", f.reaches(queued, event.Done).Branch+":a.txt"); !strings.Contains(got, "two") {
		t.Errorf("the queued task began with %q", got)
	}
	// The commit of its base was the person's to keep. They are told which one it was.
	got := f.reaches(lost, event.Parked)
	if got.Reason != life.ReasonPrepare || !strings.Contains(got.Detail, unnamed[:7]) {
		t.Errorf("the task whose base is gone: %s, %q", got.Reason, got.Detail)
	}
}
