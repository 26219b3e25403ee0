package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
	f.eachCommitPasses("main", check)
	t.Logf("main:\n%s", f.git("log", "--first-parent", "--format=%h %s", "main"))
}

// TestMergeQueue_Linear_HasOneCommitForEachTask has the same work in the linear style: two tasks conflict, and two are red only
// together. The base gets one commit for each task, in the order in which they landed, and no merge commit.
func TestMergeQueue_Linear_HasOneCommitForEachTask(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.write(f.repo+"/muster.toml", "[task]\npublish = \"merge\"\n[merge]\nstyle = \"linear\"\n")
	f.git("add", "-A")
	f.git("commit", "-qm", "linear")
	start := f.git("rev-parse", "HEAD")
	const check = "test -e xy.txt || ! test -e x.txt || ! test -e y.txt"
	begin := func(file, text, mend string) event.TaskID {
		return f.dispatch("write "+file+" <<"+text+"\nmark ready\nawait-file go-on\ndone\n---\n"+mend+"\ndone", "--check", "test="+check)
	}
	const mend, side = "run git merge -q main\nwrite xy.txt <<both", "run git merge -q -X theirs main\nappend c.txt more"
	ids := []event.TaskID{begin("c.txt", "one", side), begin("c.txt", "two", side), begin("x.txt", "x", mend), begin("y.txt", "y", mend)}
	for _, id := range ids {
		f.marks(id, "ready")
	}
	for _, id := range ids {
		f.release(id, "go-on")
	}
	for _, id := range ids {
		f.reaches(id, event.Done)
	}
	f.eventually("the checkout is where the base is", func() bool { return f.git("status", "--porcelain") == "" })
	if merges := f.git("rev-list", "--merges", start+"..main"); merges != "" {
		t.Errorf("the base has merge commits: %s", merges)
	}
	if n := f.git("rev-list", "--count", start+"..main"); n != fmt.Sprint(len(ids)) {
		t.Errorf("the base has %s commits more, want one for each of %d tasks:\n%s", n, len(ids), f.git("log", "--format=%h %B", start+"..main"))
	}
	for _, id := range ids {
		got := f.git("log", "--format=%s", "--grep", "^Muster-Task: "+string(id)+"$", start+"..main")
		if strings.Count(got, "\n") != 0 || !strings.HasSuffix(got, "("+string(id)+")") {
			t.Errorf("the commits of %s: %q", id, got)
		}
	}
	for _, file := range []string{"c.txt", "x.txt", "y.txt", "xy.txt"} {
		if _, err := f.tryGit(f.repo, "cat-file", "-e", "main:"+file); err != nil {
			t.Errorf("main does not have %s", file)
		}
	}
}

var mergeTasks = flag.Int("merge.tasks", 0, "merge the work of so many tasks; 0 skips the test")

// TestANightOfMerges has tasks that begin on the same base: of each eight two conflict, two are red only together, and four
// have nothing to do with others. It counts the runs of the checks against merging one by one, where each entry is judged on
// the base that it meets.
func TestANightOfMerges(t *testing.T) {
	if *mergeTasks == 0 {
		t.Skip("run it by: make merges")
	}
	f := newFleet(t)
	f.userConfig(fmt.Sprintf("[fleet]\nmax_agents = %d\nmax_checks = 3\nmin_free_disk = 1\nmin_free_memory = 1\n", *mergeTasks))
	count := filepath.Join(f.shared, "runs")
	check := "echo run >> " + count + "\nfor x in x*.txt; do [ -e \"$x\" ] || continue; n=${x#x}; [ ! -e \"y$n\" ] || [ -e \"xy$n\" ] || exit 1; done"
	var ids []event.TaskID
	for i := range *mergeTasks {
		pair := fmt.Sprint(i / 8)
		script := fmt.Sprintf("write n%d.txt <<n\nmark ready\nawait-file go-on\ndone\n---\nsay nothing to mend\ndone", i)
		switch i % 8 {
		case 0, 4:
			script = fmt.Sprintf("write c%s.txt <<t%d\nmark ready\nawait-file go-on\ndone\n---\nrun git merge -q -X theirs main\nappend c%s.txt more\ndone", pair, i, pair)
		case 1, 5:
			name := map[int]string{1: "x", 5: "y"}[i%8] + pair + ".txt"
			script = "write " + name + " <<t\nmark ready\nawait-file go-on\ndone\n---\nrun git merge -q main\nwrite xy" + pair + ".txt <<both\ndone"
		}
		ids = append(ids, f.dispatch(script, "--check", "test="+check, "--publish", "merge"))
	}
	for _, id := range ids {
		f.marks(id, "ready")
	}
	for _, id := range ids {
		f.release(id, "go-on")
	}
	entries := 0 // each round of an author is green and has made an entry of the queue
	for _, id := range ids {
		got := f.reaches(id, event.Done)
		entries += got.Rounds.Count
		if got.Published == nil || got.Published.Merged == "" {
			t.Errorf("%s: published %+v", id, got.Published)
		}
	}
	data, err := os.ReadFile(count)
	if err != nil {
		t.Fatal(err)
	}
	runs := strings.Count(string(data), "run\n") - entries
	f.eachCommitPasses("main", check)
	for i, id := range ids {
		if i%8 == 1 || i%8 == 5 || i%8 == 0 || i%8 == 4 {
			continue
		}
		if _, err := f.tryGit(f.repo, "cat-file", "-e", fmt.Sprintf("main:n%d.txt", i)); err != nil {
			t.Errorf("main does not have the work of %s", id)
		}
	}
	t.Logf("%d tasks, %d entries, %d runs of the queue's checks: %.2f of one by one", len(ids), entries, runs, float64(runs)/float64(entries))
	if 10*runs > 7*entries {
		t.Errorf("%d runs for %d entries, want at most 0.7 of them", runs, entries)
	}
}

// eachCommitPasses checks that each first-parent commit of a branch passes a check.
func (f *Fleet) eachCommitPasses(branch, check string) {
	f.t.Helper()
	at := f.t.TempDir() + "/replay"
	f.git("worktree", "add", "-q", "--detach", at, branch)
	for c := range strings.FieldsSeq(f.git("rev-list", "--first-parent", branch)) {
		f.gitIn(at, "checkout", "-q", c)
		cmd := exec.CommandContext(f.t.Context(), "sh", "-c", check)
		cmd.Dir = at
		if out, err := cmd.CombinedOutput(); err != nil {
			f.t.Errorf("%s does not pass: %v %s", f.git("log", "-1", "--format=%h %s", c), err, out)
		}
	}
	f.git("worktree", "remove", "--force", at)
}
