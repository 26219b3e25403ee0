package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"muster/internal/event"
	"muster/internal/fence"
	"muster/internal/home"
	"muster/internal/testkit/files"
	"muster/internal/testkit/model"
)

// TestClaudeWorksInAFence lets the real program edit, commit in a shell, be killed in a tool and be resumed in its
// conversation, be corrected by a check, and finish. Its commands try to read the user's files.
func TestClaudeWorksInAFence(t *testing.T) {
	t.Parallel()
	if _, err := fence.ABI(); err != nil {
		t.Skipf("NOT TESTED: %v", err)
	}
	sources := map[string]string{"tool.sh": "git commit -qam half\n" +
		"cat \"$HOME/secret\" && echo leaked >> \"$TMPDIR/tool\"\n" +
		"echo $$ >> \"$TMPDIR/tool\"\nsleep 300\n"}
	for name, text := range goFiles {
		sources[name] = text
	}
	r := newClaudeRig(t, goChecks, sources)
	r.write(r.root+"/user/secret", "s3cret\n")
	r.configure(goChecks+"\n[fence]\nmode = \"on\"\n", `args = ["--allowedTools", "Bash(sh tool.sh)"]`)
	// A cold cache would build the standard library first.
	r.write(filepath.Join(r.home, "config.toml"), "[fleet]\nmin_free_disk = 1\nmin_free_memory = 1\n\n[fence]\nwrite = [\""+goEnv(t, "GOCACHE")+"\"]\n")
	file := r.workFile("t1", "the answer", "answer.go")
	r.model.Add(
		useRead(file),
		useEdit(file, "return 0", "return 41"),
		useBash("sh tool.sh"),
		model.Text("It compiles."),
		useRead(file),
		useEdit(file, "return 41", "return 42"),
		model.Text("Done."),
	)
	id := r.queue("the answer", "Make the test pass.")
	tool := filepath.Join(home.Dir(r.home).TempDir(id), "tool")
	r.await("the tool runs", func() bool { return linesOf(tool) > 0 })
	before := r.task(id)
	if linesOf(tool) != 1 {
		t.Error("a command of the agent has read the user's file")
	}
	r.kill(before.Agent.Process.PID)
	if again := r.asked(4); !again.Contains("Make the test pass.") || !again.Contains("taken up again") {
		t.Errorf("the conversation was not taken up: %+v", again.Messages)
	}
	got := r.becomes(id, event.Done)
	if got.Conversation != before.Conversation || got.Gen != 2 || got.Agent.Fenced == nil {
		t.Errorf("conversation %s (was %s), generation %d, fence %v", got.Conversation, before.Conversation, got.Gen, got.Agent.Fenced)
	}
	if n := such(r, id, func(p event.FenceApplied) bool { return p.Write > 0 && p.Read > 0 }); n != 2 {
		t.Errorf("the fence was applied %d times, want once for each generation", n)
	}
	r.once("Make the test pass.", "[muster m1]")
	if n := r.model.Seen("s3cret"); n != 0 {
		t.Errorf("the model was told the user's secret %d times", n)
	}
	if files.Exists(filepath.Join(r.user.Config, "projects")) {
		t.Error("a fenced conversation lies among the user's own")
	}
	if log := r.git("log", "--format=%s", "main.."+got.Branch); !strings.Contains(log, "half") || strings.Count(log, "\n") != 1 {
		t.Errorf("the branch has the commits %q, want the agent's own and muster's", log)
	}
	if text := r.git("show", got.Branch+":answer.go"); !strings.Contains(text, "return 42") {
		t.Errorf("the branch holds %q", text)
	}
	if files.Exists(filepath.Dir(tool)) {
		t.Error("the task's temporary files are left")
	}
}
