package e2e

import (
	"os/exec"
	"strings"
	"testing"

	"muster/internal/event"
	"muster/internal/life"
)

// TestMergeQueue_EachCommitOfTheBasePassesTheChecks has tasks that begin on the same base: some conflict, some are red only
// together. A person has changes in the checkout of the base at first. In the end the base has all work, each of its
// first-parent commits passes the checks, and the checkout is clean and where the base is.
func TestMergeQueue_EachCommitOfTheBasePassesTheChecks(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	const check = "test -e xy.txt || ! test -e x.txt || ! test -e y.txt"
	flags := []string{"--check", "test=" + check, "--publish", "merge"}
	begin := func(file, text, mend string) event.TaskID {
		return f.dispatch("write "+file+" <<"+text+"\nmark ready\nawait-file go-on\ndone\n---\n"+mend+"\ndone", flags...)
	}
	const mend, side = "run git merge -q main\nwrite xy.txt <<both", "run git merge -q -X theirs main\nappend c.txt more"
	ids := []event.TaskID{
		begin("a.txt", "a", "say nothing to mend"), begin("b.txt", "b", "say nothing to mend"),
		begin("c.txt", "one", side), begin("c.txt", "two", side),
		begin("x.txt", "x", mend), begin("y.txt", "y", mend),
	}
	for _, id := range ids {
		f.marks(id, "ready")
	}
	f.write(f.repo+"/README", "a person is at work\n")
	for _, id := range ids {
		f.release(id, "go-on")
	}
	f.eventually("the queue waits for the checkout", func() bool {
		return strings.Contains(f.must("status"), "a checkout of the base is in use")
	})
	waiting := f.until(ids[0], "waits to be merged", func(t life.Task) bool { return t.State == event.InReview })
	if show := f.must("show", string(waiting.ID)); !strings.Contains(show, "in the queue of main") {
		t.Errorf("show says nothing of the queue:\n%s", show)
	}
	if got := f.git("status", "--porcelain"); got != "M README" {
		t.Errorf("the person's checkout has %q", got)
	}
	f.git("checkout", "-q", "README")
	returned := 0
	for _, id := range ids {
		got := f.reaches(id, event.Done)
		if got.Rounds.Count > 1 {
			returned++
		}
		if got.Published == nil || got.Published.Merged == "" {
			t.Errorf("%s: published %+v", id, got.Published)
		}
	}
	if returned != 2 {
		t.Errorf("%d tasks were given back, want one of each pair", returned)
	}
	if got := f.git("status", "--porcelain"); got != "" {
		t.Errorf("status = %q", got)
	}
	for _, file := range []string{"a.txt", "b.txt", "c.txt", "x.txt", "y.txt", "xy.txt"} {
		if _, err := f.tryGit(f.repo, "cat-file", "-e", "main:"+file); err != nil {
			t.Errorf("main does not have %s", file)
		}
	}
	at := t.TempDir() + "/replay"
	f.git("worktree", "add", "-q", "--detach", at, "main")
	commits := strings.Fields(f.git("rev-list", "--first-parent", "main"))
	for _, c := range commits {
		f.gitIn(at, "checkout", "-q", c)
		cmd := exec.CommandContext(t.Context(), "sh", "-c", check)
		cmd.Dir = at
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s does not pass: %v %s", f.git("log", "-1", "--format=%h %s", c), err, out)
		}
	}
	f.git("worktree", "remove", "--force", at)
	t.Logf("main:\n%s", f.git("log", "--first-parent", "--format=%h %s", "main"))
}
