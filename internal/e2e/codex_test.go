package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/internal/event"
	"muster/internal/testkit/codex"
	"muster/internal/testkit/model"
)

// newCodexRig makes a fleet whose user has set up Codex CLI with a scripted model. config holds further lines of [task], and
// tables, for muster.toml; files are the files of the repository.
func newCodexRig(t *testing.T, config string, files map[string]string) (*claudeRig, codex.User) {
	t.Helper()
	program := codex.Path(t)
	twoClaudes <- struct{}{}
	t.Cleanup(func() { <-twoClaudes })
	r := &claudeRig{Fleet: newFleet(t), model: model.Start(t)}
	t.Cleanup(r.tell)
	u := codex.User{Home: r.root + "/user", Dir: r.root + "/user/.codex"}
	for _, d := range []string{"user", "usertmp"} {
		if err := os.Mkdir(filepath.Join(r.root, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	u.SetUp(t, r.model.URL, r.repo)
	r.setVar("HOME", u.Home)
	r.setVar("TMPDIR", r.root+"/usertmp")
	r.setVar("PATH", filepath.Dir(program)+string(os.PathListSeparator)+os.Getenv("PATH"))
	r.setVar(codex.KeyVariable, codex.Key)
	for name, text := range files {
		r.write(filepath.Join(r.repo, name), text)
	}
	r.grants = append(r.grants, goEnv(t, "GOCACHE"))
	r.userConfig("[fleet]\nmax_agents = 12\nmax_checks = 3\nmin_free_disk = 1\nmin_free_memory = 1\n")
	r.write(r.repo+"/muster.toml", `[task]
agent = "codex"
`+config+`
[agents.codex]
args = ["-s", "danger-full-access"]
env_from = ["`+codex.KeyVariable+`"]
[agents.codex.env]
NO_PROXY = "127.0.0.1,localhost"
GOCACHE = "`+goEnv(t, "GOCACHE")+`"
GOPATH = "`+goEnv(t, "GOPATH")+`"
GOTOOLCHAIN = "local"
`)
	r.git("add", "-A")
	r.git("commit", "-q", "--allow-empty", "-m", "configured")
	return r, u
}

// usePatch returns a step that replaces a line of a file by the agent's own tool.
func usePatch(file, old, replacement string) model.Step {
	return model.ToolUse("apply_patch", "*** Begin Patch\n*** Update File: "+file+"\n@@\n-"+old+"\n+"+replacement+"\n*** End Patch\n")
}

func useCommand(command string) model.Step {
	return model.ToolUse("exec_command", map[string]any{"cmd": command, "yield_time_ms": 30000})
}

func answers(value string) string { return "func Answer() int { return " + value + " }" }

// ownConfig returns the user's configuration without [tui], where the program itself notes what it has shown.
func ownConfig(t *testing.T, u codex.User) string {
	t.Helper()
	b, err := os.ReadFile(u.Dir + "/config.toml")
	if err != nil {
		t.Fatal(err)
	}
	own, _, _ := strings.Cut(string(b), "[tui")
	return strings.TrimSpace(own)
}

func TestCodexFromDispatchToDone(t *testing.T) {
	t.Parallel()
	r, u := newCodexRig(t, goChecks, goFiles)
	config := ownConfig(t, u)
	cost := model.Usage{Input: 100, Output: 20, CacheRead: 7}
	r.model.Add(
		usePatch("answer.go", answers("0"), answers(`"forty"`)),
		usePatch("answer.go", answers(`"forty"`), answers("41")),
		model.Always(model.Say("It compiles.").Costing(cost)),
		usePatch("answer.go", answers("41"), answers("42")),
		model.Always(model.Say("Now it is right.").Costing(cost)),
	)
	id := r.queue("the answer", "Make the test pass.")
	got := r.becomes(id, event.Done)
	asked := r.model.Requests()
	if len(asked) != 5 {
		t.Fatalf("%d calls, want 5", len(asked))
	}
	r.once("Make the test pass.", "[muster m1]")
	if broken := asked[1]; !broken.Last().Contains("answer.go:4:") || !broken.Last().Contains(`check "build"`) || broken.Contains("[muster m1]") {
		t.Errorf("the compiler's words are not in the answer to the edit: %+v", broken.Last())
	}
	if asked[2].Last().Contains("is red after this edit") {
		t.Errorf("a green check spoke: %+v", asked[2].Last())
	}
	told := asked[3].Last()
	if !strings.HasPrefix(strings.Join(told.Texts, "\n"), "[muster m1] ") || !told.Contains("Answer() = 41, want 42") {
		t.Errorf("the feedback is not the next prompt: %+v", told)
	}
	r.checkDone(got)
	if text := r.git("show", got.Branch+":answer.go"); !strings.Contains(text, "return 42") {
		t.Errorf("the branch holds %q", text)
	}
	if now := ownConfig(t, u); now != config {
		t.Errorf("the user's configuration was\n%s\nand is\n%s", config, now)
	}
	r.await("the usage of all turns is recorded", func() bool {
		u := r.task(id).TotalUsage()
		return u.InputTokens == 230 && u.OutputTokens == 55 && u.CacheReadTokens == 14
	})
}
