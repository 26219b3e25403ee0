package codex_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/internal/event"
	"muster/internal/testkit/model"
)

// These tests run the real Codex CLI against a scripted model.

// patch returns a step that adds a file by the agent's own tool.
func patch(file, text string) model.Step {
	return model.ToolUse("apply_patch", "*** Begin Patch\n*** Add File: "+file+"\n+"+text+"\n*** End Patch\n")
}

// shell returns the input of the tool that runs a command.
func shell(command string) map[string]any { return map[string]any{"cmd": command} }

func TestCodexFirstTurnNeedsNoKeyAndACheckSpeaksWithinIt(t *testing.T) {
	t.Parallel()
	spec := event.Spec{Args: []string{"-s", "danger-full-access"}, Checks: []event.Check{
		{Name: "build", Run: "grep -q fixed b.txt || { echo 'b.txt:1:1: not fixed'; exit 3; }", OnEdit: true, Timeout: time.Minute},
	}}
	r := newRig(t, "/quit", spec)
	r.model.Add(
		patch("b.txt", "broken"),
		model.Always(model.Use("exec_command", shell("echo fixed > b.txt")).AndUse("exec_command", shell("echo two"))),
		model.Always(model.Say("all done").Costing(model.Usage{Input: 100, Output: 7, CacheRead: 3})),
	)
	before := userFiles(t, r)
	r.start()
	first := r.asked(1)
	if !first.Contains("Task t1 (muster):\n\n/quit") {
		t.Errorf("the prompt is not among %+v", first.Messages)
	}
	if !first.Contains("muster check") {
		t.Error("the preamble is not among the instructions")
	}
	if second := r.asked(2); !second.Last().Contains("b.txt:1:1: not fixed") || !second.Last().Contains("exit status 3") {
		t.Errorf("the check's words are not in the answer of the edit: %+v", second.Last())
	}
	r.over(1)
	all := r.records()
	if got := all[0]; got.State != event.RecordWorking || got.SessionID != r.launch.Conversation || got.Src != "hook" || got.Gen != 1 {
		t.Errorf("first record: %+v", got)
	}
	for _, rec := range all {
		if rec.SessionID != r.launch.Conversation {
			t.Errorf("a record is of another conversation: %+v", rec)
		}
	}
	if n := count(all, func(rec event.Record) bool { return rec.Tool != "" }); n != 3 {
		t.Errorf("%d tools began, want 3", n)
	}
	r.until("the rollout tells the usage", func() bool {
		for _, rec := range r.source("transcript") {
			if u := rec.Usage; u != nil && u.Turns == 3 {
				return u.InputTokens == 120 && u.OutputTokens == 17 && u.CacheReadTokens == 3
			}
		}
		return false
	})
	if diff := changed(before, userFiles(t, r)); diff != "" {
		t.Errorf("files of the user were changed: %s", diff)
	}
	if out := sh(t, r.launch.Worktree, "git status --porcelain"); strings.TrimSpace(out) != "?? b.txt" {
		t.Errorf("the worktree has %q", out)
	}
}

// userFiles returns the content of the files that belong to the user.
func userFiles(t *testing.T, r *rig) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, name := range []string{"config.toml", "hooks.json", "auth.json"} {
		b, err := os.ReadFile(filepath.Join(r.user.Dir, name))
		if err == nil {
			out[name] = string(b)
		}
	}
	return out
}

// changed returns the names of files that differ.
func changed(before, after map[string]string) string {
	var out []string
	for name, text := range after {
		// The program itself notes in [tui] what it has shown.
		if own, _, _ := strings.Cut(text, "[tui"); strings.TrimSpace(own) != strings.TrimSpace(before[name]) {
			out = append(out, name+":\n"+text)
		}
	}
	return strings.Join(out, "\n")
}
