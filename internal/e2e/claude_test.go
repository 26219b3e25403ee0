package e2e

import (
	"strings"
	"testing"

	"muster/internal/event"
	"muster/internal/life"
	"muster/internal/testkit/claude"
	"muster/internal/testkit/model"
)

// goFiles is a small module whose test wants 42.
var goFiles = map[string]string{
	"go.mod":         "module example.com/answer\n\ngo 1.24\n",
	"answer.go":      "package answer\n\n// Answer is the answer.\nfunc Answer() int { return 0 }\n",
	"answer_test.go": "package answer\n\nimport \"testing\"\n\nfunc TestAnswer(t *testing.T) {\n\tif got := Answer(); got != 42 {\n\t\tt.Fatalf(\"Answer() = %d, want 42\", got)\n\t}\n}\n",
}

const goChecks = `
[checks]
build = { run = "go build ./...", on = "edit" }
test = "go test ./..."
`

func TestClaudeFromDispatchToDone(t *testing.T) {
	claude.Each(t, func(t *testing.T, version string) {
		r := newClaudeRigOf(t, version, goChecks, goFiles)
		file := r.workFile("t1", "the answer", "answer.go")
		r.user.Settings(t, map[string]any{"permissions": map[string]any{"allow": []string{}}})
		settings := r.digest(r.user.Config + "/settings.json")
		cost := model.Usage{Input: 100, Output: 20, CacheRead: 7, CacheWrite: 3}
		r.model.Add(
			useRead(file),
			useEdit(file, "return 0", `return "forty"`),
			useEdit(file, `return "forty"`, "return 41"),
			model.Always(model.Say("It compiles.").Costing(cost)),
			readLog,
			useEdit(file, "return 41", "return 42"),
			model.Always(model.Say("Now it is right.").Costing(cost)),
		)
		id := r.queue("the answer", "Make the test pass.")
		got := r.becomes(id, event.Done)
		asked := r.model.Requests()
		if len(asked) != 7 {
			t.Fatalf("%d calls, want 7", len(asked))
		}
		r.once("Make the test pass.", "[muster m1]")
		// The compiler's error arrives within the turn: after the edit's result and before any prompt.
		broken := asked[2]
		if n := len(broken.Messages[len(broken.Messages)-1].ToolResults) + len(broken.Messages[len(broken.Messages)-2].ToolResults); n != 1 ||
			!broken.Last().Contains("answer.go:4:") || !broken.Last().Contains(`check "build"`) {
			t.Errorf("the compiler's words are not in the answer to the edit: %+v", broken.Last())
		}
		if broken.Contains("[muster m") || asked[3].Contains("[muster m") {
			t.Error("a message came before the turn was over")
		}
		if asked[3].Last().Contains("is red after this edit") {
			t.Errorf("a green check spoke: %+v", asked[3].Last())
		}
		// The test's output arrives once, as text of the user.
		told := asked[4].Last()
		if !strings.HasPrefix(strings.Join(told.Texts, "\n"), "[muster m1] ") || !told.Contains("Answer() = 41, want 42") || told.Contains("NOT USER INPUT") {
			t.Errorf("the feedback is not the next prompt: %+v", told)
		}
		if log := asked[5].Last(); !log.Contains("--- FAIL: TestAnswer") {
			t.Errorf("the log that the feedback names could not be read: %+v", log)
		}
		r.checkDone(got)
		if now := r.digest(r.user.Config + "/settings.json"); now != settings {
			t.Errorf("the user's settings were %s, and are %s", settings, now)
		}
		r.await("the usage of all turns is recorded", func() bool {
			u := r.task(id).TotalUsage()
			return u.InputTokens == 250 && u.OutputTokens == 65
		})
		if buffers := r.tmux("list-buffers"); buffers != "" {
			t.Errorf("what was pasted is left behind: %s", buffers)
		}
		if screen := r.tmux("capture-pane", "-p", "-S", "-", "-t", "="+got.Session+":agent"); !strings.Contains(screen, "Now it is right.") {
			t.Errorf("the last screen is gone: %s", screen)
		}
		for _, want := range []string{"done", "the answer", "test"} {
			if out := r.must("show", string(id)); !strings.Contains(out, want) {
				t.Errorf("show does not say %q:\n%s", want, out)
			}
		}
		for _, want := range []string{"test", "m1", "done"} {
			if out := r.must("why", string(id)); !strings.Contains(out, want) {
				t.Errorf("why does not say %q:\n%s", want, out)
			}
		}
	})
}

// readLog makes the model read the file that a feedback names, which is outside the worktree.
func readLog(q model.Request) model.Reply {
	_, path, _ := strings.Cut(strings.Join(q.Last().Texts, "\n"), "all of it: ")
	path, _, _ = strings.Cut(path, ")")
	return model.Use("Read", map[string]any{"file_path": path})
}

// checkDone checks what a done task leaves: one commit of the right tree, and no worktree.
func (r *agentRig) checkDone(got life.Task) {
	r.t.Helper()
	if n := r.git("rev-list", "--count", "main.."+got.Branch); n != "1" {
		r.t.Errorf("the branch has %s commits, want 1", n)
	}
	if text := r.git("show", got.Branch+":answer.go"); !strings.Contains(text, "return 42") {
		r.t.Errorf("the branch holds %q", text)
	}
	if names := r.git("diff", "--name-only", "main", got.Branch); names != "answer.go" {
		r.t.Errorf("the branch changes %q", names)
	}
	if list := r.git("worktree", "list"); strings.Contains(list, "\n") {
		r.t.Errorf("a worktree is left: %s", list)
	}
	if got.Agent.Live {
		r.t.Error("its agent still lives")
	}
}
