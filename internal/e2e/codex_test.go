package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"muster/internal/event"
	"muster/internal/fence"
	"muster/internal/testkit/codex"
	"muster/internal/testkit/model"
	testrig "muster/internal/testkit/rig"
)

// newCodexRig makes a fleet whose user has set up Codex CLI with a scripted model. config holds further lines of [task], and
// tables, for muster.toml; files are the files of the repository.
func newCodexRig(t *testing.T, config string, files map[string]string) (*agentRig, codex.User) {
	t.Helper()
	r := newAgentRig(t, codex.Path(t), files)
	u := codex.User{Home: r.root + "/user", Dir: r.root + "/user/.codex"}
	u.SetUp(t, r.model.URL, r.repo)
	r.setVar(codex.KeyVariable, codex.Key)
	r.grants = append(r.grants, goEnv(t, "GOCACHE"))
	r.userConfig(roomyFleet)
	r.commitConfig("[task]\nagent = \"codex\"\n" + config + `
[agents.codex]
args = ["-s", "danger-full-access"]
env_from = ["` + codex.KeyVariable + `"]
[agents.codex.env]
NO_PROXY = "127.0.0.1,localhost"
` + goVariables(t))
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
	r, u := newCodexRig(t, goChecks+"[[permission]]\ntool = \"run\"\ncommand = \"git push*\"\naction = \"deny\"\nreason = \"muster publishes\"\n", goFiles)
	config := ownConfig(t, u)
	cost := model.Usage{Input: 100, Output: 20, CacheRead: 7}
	r.model.Add(
		usePatch("answer.go", answers("0"), answers(`"forty"`)),
		usePatch("answer.go", answers(`"forty"`), answers("41")),
		model.Always(model.Say("It compiles.").Costing(cost)),
		usePatch("answer.go", answers("41"), answers("42")),
		useCommand("git push origin main"),
		model.Always(model.Say("Now it is right.").Costing(cost)),
	)
	id := r.queue("the answer", "Make the test pass.")
	got := r.becomes(id, event.Done)
	asked := r.model.Requests()
	if len(asked) != 6 {
		t.Fatalf("%d calls, want 6", len(asked))
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
	if refused := asked[5].Last(); !refused.Contains("muster publishes") {
		t.Errorf("what a rule denies was answered by %+v", refused)
	}
	if n := such(r, id, func(event.PermissionDecided) bool { return true }); n != 1 {
		t.Errorf("%d decisions by rules, want 1", n)
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
		return u.InputTokens == 240 && u.OutputTokens == 60 && u.CacheReadTokens == 14
	})
}

// TestCodexIsStoppedAndGoesOn sends a message to the busy program, kills it in a tool, and lets it meet a usage limit after
// it was taken up again.
func TestCodexIsStoppedAndGoesOn(t *testing.T) {
	t.Parallel()
	r, _ := newCodexRig(t, "[checks]\ntest = \"grep -q 42 answer.txt\"\n", map[string]string{"answer.txt": "0\n"})
	started := filepath.Join(r.root, "usertmp", "started")
	var limit atomic.Int64 // the end of the limit, in Unix seconds
	r.model.Add(
		useCommand("echo x >> "+started+"; sleep 600"),
		func(model.Request) model.Reply {
			reset := time.Now().Add(10 * time.Second)
			limit.Store(reset.Unix())
			return codex.Used(codex.UsageLimit(reset), 100, reset)
		},
		usePatch("answer.txt", "0", "42"),
		model.Text("Done."),
	)
	id := r.queue("the answer", "Write the answer.")
	r.await("the tool runs", func() bool { return linesOf(started) == 1 })
	r.must("send", string(id), "It is a number.")
	before := r.task(id)
	r.kill(before.Agent.Process.PID)
	again := r.asked(2)
	if !again.Contains("Write the answer.") || !again.Contains("taken up again") || !again.Contains("[muster m1]\nIt is a number.") {
		t.Errorf("the conversation was not taken up: %+v", again.Messages)
	}
	limited := r.becomes(id, event.Limited)
	reset := time.Unix(limit.Load(), 0)
	if d, ok := limited.Deadline(event.DeadlineAPIRetry); !ok || !d.Instant || d.At.Before(reset) || d.At.After(reset.Add(time.Minute)) {
		t.Errorf("the limit ends at %+v, want %s", d, reset)
	}
	if n := len(r.model.Requests()); n != 2 {
		t.Errorf("%d calls were spent on a limited account", n-2)
	}
	got := r.becomes(id, event.Done)
	if got.Conversation != before.Conversation || got.Gen != 2 || got.Attempt != before.Attempt+1 {
		t.Errorf("conversation %s (was %s), generation %d, attempt %d", got.Conversation, before.Conversation, got.Gen, got.Attempt)
	}
	r.once("Write the answer.", "[muster m1]", "It is a number.")
	if n := linesOf(started); n != 1 {
		t.Errorf("the tool ran %d times", n)
	}
}

// TestCodexWorksInAFence lets the real program edit and run a command that tries to read the user's files.
func TestCodexWorksInAFence(t *testing.T) {
	testrig.Long(t)
	t.Parallel()
	if _, err := fence.ABI(); err != nil {
		t.Skipf("NOT TESTED: %v", err)
	}
	r, u := newCodexRig(t, "[fence]\nmode = \"on\"\n[checks]\ntest = \"grep -q 42 answer.txt\"\n", map[string]string{"answer.txt": "0\n"})
	r.write(r.root+"/user/secret", "s3cret\n")
	r.model.Add(
		useCommand("cat \"$HOME/secret\" "+u.Dir+"/config.toml; env; git commit -qm half --allow-empty && echo committed"),
		usePatch("answer.txt", "0", "41"),
		model.Text("Done."),
		usePatch("answer.txt", "41", "42"),
		model.Text("Now it is right."),
	)
	id := r.queue("the answer", "Write the answer.")
	got := r.becomes(id, event.Done)
	asked := r.model.Requests()
	if told := asked[1].Last(); told.Contains("s3cret") || told.Contains("model_provider") || told.Contains(codex.Key) || !told.Contains("committed") {
		t.Errorf("the command in the fence printed %+v", told)
	}
	r.once("Write the answer.", "[muster m1]")
	if got.Agent.Fenced == nil || got.Gen != 1 {
		t.Errorf("fence %v, generation %d", got.Agent.Fenced, got.Gen)
	}
	if found, _ := filepath.Glob(u.Dir + "/sessions/*"); len(found) > 0 {
		t.Errorf("a fenced conversation lies among the user's own: %v", found)
	}
}
