package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/internal/event"
	"muster/internal/fence"
	"muster/internal/testkit/gemini"
	"muster/internal/testkit/model"
	testrig "muster/internal/testkit/rig"
)

// newGeminiRig makes a fleet whose user has set up Gemini CLI with a scripted model. config holds further lines of [task], and
// tables, for muster.toml; files are the files of the repository.
func newGeminiRig(t *testing.T, config string, files map[string]string) (*agentRig, gemini.User) {
	t.Helper()
	r := newAgentRig(t, gemini.Path(t), files)
	u := gemini.User{Home: r.root + "/user", URL: r.model.URL}
	u.SetUp(t, r.repo)
	r.setVar(gemini.KeyVariable, gemini.Key)
	r.setVar("GOOGLE_GEMINI_BASE_URL", u.URL)
	r.userConfig(roomyFleet)
	r.commitConfig("[task]\nagent = \"gemini\"\n" + config + `
[agents.gemini]
model = "` + gemini.Model + `"
args = ["--approval-mode", "auto_edit"]
env_from = ["` + gemini.KeyVariable + `", "GOOGLE_GEMINI_BASE_URL"]
[agents.gemini.env]
NO_PROXY = "127.0.0.1,localhost"
`)
	return r, u
}

// TestGeminiFromDispatchToDone lets the real program ask for a permission, be corrected by a check, and finish.
func TestGeminiFromDispatchToDone(t *testing.T) {
	t.Parallel()
	r, u := newGeminiRig(t, "[checks]\ntest = \"grep -q 42 answer.txt || { echo 'answer.txt: want 42'; exit 1; }\"\n", map[string]string{"answer.txt": "0\n"})
	write := func(text string) model.Step {
		return func(model.Request) model.Reply {
			return model.Use("write_file", map[string]any{"file_path": filepath.Join(r.task("t1").Worktree, "answer.txt"), "content": text})
		}
	}
	r.model.Add(
		write("41\n"),
		model.ToolUse("run_shell_command", map[string]any{"command": "touch asked.txt"}),
		model.Text("It is written."),
		write("42\n"),
		model.Text("Now it is right."),
	)
	id := r.queue("the answer", "Write the answer.")
	first := r.asks(id, nil)
	if first.Reason != event.WaitPermission || !strings.Contains(first.Text, "touch asked.txt") {
		t.Errorf("it asks %+v", first)
	}
	r.must("answer", string(id), "allow")
	got := r.becomes(id, event.Done)
	asked := r.model.Requests()
	if len(asked) != 5 {
		t.Fatalf("%d calls, want 5", len(asked))
	}
	if told := asked[3].Last(); !strings.HasPrefix(strings.Join(told.Texts, "\n"), "[muster m1] ") || !told.Contains("answer.txt: want 42") {
		t.Errorf("the feedback is not the next prompt: %+v", told)
	}
	r.once("Write the answer.", "[muster m1]")
	if text := r.git("show", got.Branch+":answer.txt"); text != "42" && text != "42\n" {
		t.Errorf("the branch holds %q", text)
	}
	if out := r.git("show", "--stat", "--format=", got.Branch); !strings.Contains(out, "asked.txt") || strings.Contains(out, ".gemini") {
		t.Errorf("the branch has %s", out)
	}
	if entries, err := os.ReadDir(u.Dir()); err != nil || len(entries) != 2 {
		t.Errorf("the user's directory has %v (%v)", entries, err)
	}
	r.await("the usage of all turns is recorded", func() bool { return r.task(id).TotalUsage().Turns >= 5 })
}

// TestGeminiWorksInAFence lets the real program run a command that tries to read the user's files, which a rule allows, and edit.
func TestGeminiWorksInAFence(t *testing.T) {
	testrig.Long(t)
	t.Parallel()
	if _, err := fence.ABI(); err != nil {
		t.Skipf("NOT TESTED: %v", err)
	}
	r, u := newGeminiRig(t, "[fence]\nmode = \"on\"\n[checks]\ntest = \"grep -q 42 answer.txt\"\n[[permission]]\ntool = \"run\"\naction = \"allow\"\n", map[string]string{"answer.txt": "0\n"})
	r.write(r.root+"/user/secret", "s3cret\n")
	r.model.Add(
		model.ToolUse("run_shell_command", map[string]any{
			"command": "cat \"$HOME/secret\" " + u.Dir() + "/settings.json; git commit -qm half --allow-empty && echo committed",
		}),
		func(model.Request) model.Reply {
			return model.Use("write_file", map[string]any{"file_path": filepath.Join(r.task("t1").Worktree, "answer.txt"), "content": "42\n"})
		},
		model.Text("Done."),
	)
	id := r.queue("the answer", "Write the answer.")
	got := r.becomes(id, event.Done)
	if told := r.model.Requests()[1].Last(); told.Contains("s3cret") || told.Contains("selectedType") || !told.Contains("committed") {
		t.Errorf("the command in the fence printed %+v", told)
	}
	if got.Agent.Fenced == nil || got.Gen != 1 {
		t.Errorf("fence %v, generation %d", got.Agent.Fenced, got.Gen)
	}
	if n := such(r, id, func(event.PermissionDecided) bool { return true }); n != 1 {
		t.Errorf("%d decisions by rules, want 1", n)
	}
}
