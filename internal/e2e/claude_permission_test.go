package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/internal/event"
	"muster/internal/testkit/model"
)

// TestRulesAnswerForAPerson checks that rules allow and deny what Claude Code asks for, and that they also decide what its own
// settings would allow (an edit, by the mode acceptEdits), also through a link. Nobody answers anything.
func TestRulesAnswerForAPerson(t *testing.T) {
	t.Parallel()
	r := newClaudeRig(t, `publish = "none"
[[permission]]
tool = "run"
command = "git push*"
action = "deny"
reason = "muster publishes"
[[permission]]
tool = "run"
command = "python3 *"
action = "allow"
[[permission]]
tool = "edit"
path = "secret/**"
action = "deny"
[[permission]]
tool = "question"
action = "ask"
wait = "1s"
default = "recommended"
[[permission]]
tool = "run"
action = "ask"
wait = "1s"
default = "deny"
`, map[string]string{"a.txt": "a\n"})
	if err := os.Mkdir(filepath.Join(r.repo, "secret"), 0o700); err != nil {
		t.Fatal(err)
	}
	r.write(filepath.Join(r.repo, "secret", "key.txt"), "old\n")
	link := filepath.Join(r.repo, "open")
	if err := os.Symlink("secret", link); err != nil {
		t.Fatal(err)
	}
	r.git("add", "-A")
	r.git("commit", "-q", "-m", "a link")
	write := func(file string) model.Step {
		return model.ToolUse("Write", map[string]any{"file_path": r.workFile("t1", "rules", file), "content": "new\n"})
	}
	r.model.Add(
		useBash("python3 -c 'print(6*7)'"),
		useBash("python3 -c 'print(8*9)' && git push origin main"),
		useBash("python3 -c \"print($(echo 5)*5)\""),
		write("b.txt"),
		write("open/new.txt"),
		model.ToolUse("AskUserQuestion", map[string]any{"questions": []any{map[string]any{
			"question": "Which color?", "header": "Color", "multiSelect": false,
			"options": []any{map[string]any{"label": "Red", "description": "r"}, map[string]any{"label": "Blue", "description": "b"}},
		}}}),
		model.Text("Fine."),
	)
	id := r.queue("rules", "Do what the rules allow.")
	for n, want := range map[int]struct{ has, lacks string }{
		2: {"42", "A rule"}, 3: {"muster publishes", "72"}, 4: {"Nobody answered", "25"}, 5: {"b.txt", "A rule"}, 6: {"A rule denies this", ""}, 7: {"Red", "Blue"},
	} {
		// The agent may add a reminder of its own after the result.
		if got := r.asked(n); !got.Contains(want.has) || want.lacks != "" && got.Last().Contains(want.lacks) {
			t.Errorf("call %d: %+v, want %+v", n, got.Last(), want)
		}
	}
	r.becomes(id, event.Done)
	if _, err := os.Lstat(r.workFile(id, "rules", "secret/new.txt")); err == nil {
		t.Error("a file below secret was written through a link")
	}
	var decided []string
	for _, p := range payloads[event.PermissionDecided](r.Fleet, id) {
		decided = append(decided, string(p.Action)+" by "+p.By)
	}
	want := "allow by rule, deny by rule, deny by deadline, deny by rule, text by deadline"
	if got := strings.Join(decided, ", "); got != want {
		t.Errorf("decided %q, want %q", got, want)
	}
	if n := len(payloads[event.AnswerRequested](r.Fleet, id)); n != 0 {
		t.Errorf("%d answers of a person", n)
	}
}
