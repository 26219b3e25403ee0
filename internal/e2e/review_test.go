package e2e

import (
	"fmt"
	"strings"
	"testing"

	"muster/internal/event"
	"muster/internal/fence"
	"muster/internal/life"
)

// TestReview_OutlivesTheSupervisor kills the supervisor while a reviewer works. The next one takes the reviewer up, and no
// second one is started.
func TestReview_OutlivesTheSupervisor(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	wait := f.shared + "/decide"
	f.write(f.repo+"/muster.toml", `[checks]
text = "test -s a.txt"
review = { agent = "critic", prompt = "Is it right?" }
[agents.critic]
kind = "command"
command = ["sh", "-c", "while ! test -e `+wait+`; do sleep 0.05; done; muster verdict green"]
`)
	f.git("add", "-A")
	f.git("commit", "-q", "-m", "checks")
	id := f.dispatch("write a.txt <<x\ndone")
	reviewer := f.until(id, "is under review", func(t life.Task) bool { return t.Inspection != nil && t.Inspection.Reviewer != "" }).Inspection.Reviewer
	f.reaches(reviewer, event.Working)
	pid := f.task(reviewer).Agent.Process.PID
	f.kill(f.only("supervise"))
	f.write(wait, "")
	got := f.reaches(id, event.Done, event.Parked, event.Failed)
	f.reaches(reviewer, event.Done)
	if got.State != event.Done {
		t.Fatalf("the task is %s: %s", got.State, got.Detail)
	}
	if begun := payloads[event.ReviewBegun](f, id); len(begun) != 1 {
		t.Errorf("%d reviews were begun", len(begun))
	}
	if launched := payloads[event.AgentLaunched](f, reviewer); len(launched) != 1 || launched[0].Process.PID != pid {
		t.Errorf("the reviewer was launched as %+v, and process %d was there when the supervisor was killed", launched, pid)
	}
	ends := payloads[event.ReviewFinished](f, id)
	if len(ends) != 1 || !ends[0].Green || ends[0].Tree != got.Published.Tree {
		t.Errorf("the reviews ended as %+v, and the published tree is %s", ends, got.Published.Tree)
	}
}

// TestReview_CannotWriteWhatItReviews has a fenced reviewer that tries to write the worktree with the judged tree, which is its own, and
// that of the author, before it gives its verdict.
func TestReview_CannotWriteWhatItReviews(t *testing.T) {
	t.Parallel()
	if _, err := fence.ABI(); err != nil {
		t.Skipf("NOT TESTED: %v", err)
	}
	f := newFleet(t)
	f.userConfig(fmt.Sprintf("[fleet]\nmin_free_disk = 1\nmin_free_memory = 1\n[fence]\nmode = \"on\"\nwrite = [%s]\n", quoted(f.grants)))
	f.write(f.repo+"/muster.toml", `[checks]
text = "test -s a.txt"
review = { agent = "critic", prompt = "Is it right?" }
[agents.critic]
kind = "command"
command = ["sh", "-c", "sh `+f.shared+`/critic.sh && muster verdict green"]
`)
	f.git("add", "-A")
	f.git("commit", "-q", "-m", "checks")
	id := f.dispatch("write a.txt <<x\nmark ready\nawait-file go-on\ndone")
	f.marks(id, "ready")
	author := f.task(id).Worktree
	script := "try() { name=$1; shift; if (eval \"$*\") >/dev/null 2>&1; then echo \"$name: works\"; else echo \"$name: refused\"; fi >>" + f.shared + "/report; }\n" +
		"try 'read its own file' 'grep x a.txt'\n"
	for _, dir := range []string{".", author} {
		for _, try := range [][2]string{
			{"make a file", ": >planted"},
			{"change a file", "echo bad >>a.txt"},
			{"cut a file", ": >a.txt"},
			{"make a directory", "mkdir dir"},
			{"make a link", "ln -s a.txt link"},
			{"rename a file", "mv a.txt b.txt"},
			{"remove a file", "rm -f a.txt"},
			{"stage", "git rm -q --cached a.txt"},
			{"commit", "git commit -q --allow-empty -m x"},
		} {
			script += fmt.Sprintf("try %q 'cd \"%s\" && %s'\n", try[0], dir, try[1])
		}
	}
	f.write(f.shared+"/critic.sh", script)
	f.release(id, "go-on")
	got := f.reaches(id, event.Done, event.Parked, event.Failed)
	said := f.read(f.shared + "/report")
	if n := strings.Count(said, "refused"); n != 18 || strings.Count(said, "works") != 1 || !strings.HasPrefix(said, "read its own file: works\n") {
		t.Errorf("%d of 18 acts were refused:\n%s", n, said)
	}
	ends := payloads[event.ReviewFinished](f, id)
	if got.State != event.Done || len(ends) != 1 || !ends[0].Green || ends[0].Tree != got.Published.Tree {
		t.Fatalf("the task is %s (%s), and the reviews ended as %+v", got.State, got.Detail, ends)
	}
	if text := f.git("show", got.Published.Commit+":a.txt"); text != "x" {
		t.Errorf("the published file is %q", text)
	}
}
