package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/internal/event"
	"muster/internal/fence"
	"muster/internal/home"
	"muster/internal/testkit/files"
	"muster/internal/testkit/model"
	"muster/internal/testkit/opencode"
	testrig "muster/internal/testkit/rig"
)

// patienceOpenCode is how long a test waits for one thing that OpenCode does. Its start alone took two minutes where many
// programs ran at once.
const patienceOpenCode = 10 * time.Minute

// newOpenCodeRig makes a fleet whose user has set up OpenCode with a scripted model.
func newOpenCodeRig(t *testing.T, config string, permission map[string]any, sources map[string]string) *agentRig {
	t.Helper()
	r := newAgentRig(t, opencode.Path(t), sources)
	r.patience = patienceOpenCode
	for _, name := range []string{"XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"} {
		r.setVar(name, "")
	}
	opencode.User{Home: r.root + "/user"}.SetUp(t, r.model.URL, permission)
	r.commitConfig("[task]\nagent = \"opencode\"\n" + config + `
[agents.opencode]
model = "` + opencode.Model + `"
[agents.opencode.env]
NO_PROXY = "127.0.0.1,localhost"
` + goVariables(t))
	return r
}

func openCodeWrite(file, content string) model.Step {
	return model.ToolUse("write", map[string]any{"filePath": file, "content": content})
}

func openCodeBash(command string) model.Step {
	return model.ToolUse("bash", map[string]any{"command": command, "description": "as it says"})
}

func answerFile(value string) string {
	return "package answer\n\n// Answer is the answer.\nfunc Answer() int { return " + value + " }\n"
}

// TestOpenCodeWorksInAFence lets the real program edit, ask for a permission, be killed in a tool and be resumed in its
// conversation, be corrected by a check, and finish.
func TestOpenCodeWorksInAFence(t *testing.T) {
	testrig.Long(t)
	t.Parallel()
	if _, err := fence.ABI(); err != nil {
		t.Skipf("NOT TESTED: %v", err)
	}
	sources := map[string]string{"tool.sh": `cat "$HOME/secret" && echo "the user's file" >> "$TMPDIR/tool"
cat "$XDG_DATA_HOME/opencode/auth.json" && echo "the login" >> "$TMPDIR/tool"
echo x >> "$XDG_CONFIG_HOME/opencode/opencode.json" && echo "the configuration" >> "$TMPDIR/tool"
for p in /proc/[0-9]*; do grep -q OPENCODE_CONFIG_CONTENT= "$p/environ" 2>/dev/null && echo "a process" >> "$TMPDIR/tool"; done
muster note "from a command" || echo "no note" >> "$TMPDIR/tool"
echo $$ >> "$TMPDIR/tool"
sleep 300
`}
	for name, text := range goFiles {
		sources[name] = text
	}
	permission := map[string]any{"bash": map[string]any{"*": "allow", "expr *": "ask"}}
	r := newOpenCodeRig(t, goChecks+"\n[fence]\nmode = \"on\"\n", permission, sources)
	r.write(r.root+"/user/secret", "s3cret\n")
	// A cold cache would build the standard library first.
	r.write(filepath.Join(r.home, "config.toml"), "[fleet]\nmin_free_disk = 1\nmin_free_memory = 1\n\n[fence]\nwrite = [\""+goEnv(t, "GOCACHE")+"\"]\n")
	r.model.Add(
		openCodeWrite("answer.go", answerFile(`"forty"`)),
		openCodeBash("expr 6 '*' 7"),
		openCodeBash("sh tool.sh"),
		openCodeWrite("answer.go", answerFile("41")),
		model.Text("It compiles."),
		openCodeWrite("answer.go", answerFile("42")),
		model.Text("Done."),
	)
	id := r.queue("the answer", "Make the test pass.")
	first := r.asks(id, nil)
	if first.Reason != event.WaitPermission || first.Tool != "bash" || !strings.Contains(first.Text, "expr 6") {
		t.Errorf("it asks %+v", first)
	}
	if told := r.asked(2).Last(); !told.Contains("answer.go:4:") || !told.Contains(`check "build"`) {
		t.Errorf("the compiler's words are not in the answer to the edit: %+v", told)
	}
	r.must("answer", string(id), "allow")
	if told := r.asked(3).Last(); !told.Contains("42") {
		t.Errorf("the allowed tool did not run: %+v", told)
	}
	tool := filepath.Join(home.Dir(r.home).TempDir(id), "tool")
	r.await("the tool runs", func() bool { return linesOf(tool) > 0 })
	if linesOf(tool) != 1 {
		b, _ := os.ReadFile(tool)
		t.Errorf("a command of the agent has reached what it must not: %s", b)
	}
	before := r.task(id)
	r.kill(before.Agent.Process.PID)
	if again := r.asked(4); !again.Contains("Make the test pass.") || !again.Contains("taken up again") {
		t.Errorf("the conversation was not taken up: %+v", again.Messages)
	}
	got := r.becomes(id, event.Done)
	if got.Conversation != before.Conversation || got.Gen != 2 || got.Agent.Fenced == nil {
		t.Errorf("conversation %s (was %s), generation %d, fence %v", got.Conversation, before.Conversation, got.Gen, got.Agent.Fenced)
	}
	if told := r.asked(6).Last(); !told.Contains("[muster m1]") || !told.Contains("Answer() = 41, want 42") {
		t.Errorf("the feedback is not the next prompt: %+v", told)
	}
	r.once("Make the test pass.", "[muster m1]", "taken up again")
	if n := r.model.Seen("s3cret"); n != 0 {
		t.Errorf("the model was told the user's secret %d times", n)
	}
	r.await("the usage of all turns is recorded", func() bool { return r.task(id).TotalUsage().Turns >= 6 })
	if files.Exists(r.root + "/user/.local/share/opencode/opencode.db") {
		t.Error("a fenced conversation lies among the user's own")
	}
	if text := r.git("show", got.Branch+":answer.go"); !strings.Contains(text, "return 42") {
		t.Errorf("the branch holds %q", text)
	}
}
