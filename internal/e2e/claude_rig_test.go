package e2e

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/internal/event"
	"muster/internal/home"
	"muster/internal/life"
	"muster/internal/testkit/claude"
	"muster/internal/testkit/model"
)

// patienceClaude is how long a test waits for one thing that Claude Code does. Its start alone took ten seconds where
// many ran at once.
const patienceClaude = 100 * time.Second

// agentsAtOnce bounds how many fleets with a real agent live at the same time. An agent keeps a core busy while it starts, and
// waits most of the time after that.
var agentsAtOnce = make(chan struct{}, 1+runtime.NumCPU())

// agentRig is a fleet whose user has set up a real agent with a scripted model. Everything between the fleet and the model is
// real.
type agentRig struct {
	*Fleet
	user  claude.User // of Claude Code
	model *model.Server
	// patience is how long await waits; 0 is patienceClaude.
	patience time.Duration
}

// newClaudeRig makes an agentRig with npm's newest Claude Code. config holds further lines of [task], and tables, for
// muster.toml; files are the files of the repository.
func newClaudeRig(t *testing.T, config string, files map[string]string) *agentRig {
	t.Helper()
	return newClaudeRigOf(t, claude.Newest, config, files)
}

// newClaudeRigOf is newClaudeRig with another version.
func newClaudeRigOf(t *testing.T, version, config string, files map[string]string) *agentRig {
	t.Helper()
	r := newAgentRig(t, claude.Path(t, version), files)
	r.setVar("ANTHROPIC_API_KEY", claude.Key)
	r.user = claude.SetUp(t, version, r.root+"/user", r.repo)
	r.grants = append(r.grants, goEnv(t, "GOCACHE")) // a cold cache would build the standard library first
	r.userConfig(roomyFleet)
	r.configure(config, "")
	return r
}

// roomyFleet is the user's configuration of a fleet that runs all that a test starts.
const roomyFleet = "[fleet]\nmax_agents = 12\nmax_checks = 3\nmin_free_disk = 1\nmin_free_memory = 1\n"

// newAgentRig makes a fleet whose user has a program first on PATH and a home of their own. files are the files of the
// repository.
func newAgentRig(t *testing.T, program string, files map[string]string) *agentRig {
	t.Helper()
	agentsAtOnce <- struct{}{}
	t.Cleanup(func() { <-agentsAtOnce })
	r := &agentRig{Fleet: newFleet(t), model: model.Start(t)}
	t.Cleanup(r.tell)
	// The program leaves files in its user's home. What muster leaves is checked in the fleet's own home.
	for _, d := range []string{"user", "usertmp"} {
		if err := os.Mkdir(filepath.Join(r.root, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	r.setVar("HOME", r.root+"/user")
	r.setVar("TMPDIR", r.root+"/usertmp")
	r.setVar("PATH", filepath.Dir(program)+string(os.PathListSeparator)+os.Getenv("PATH"))
	for name, text := range files {
		r.write(filepath.Join(r.repo, name), text)
	}
	return r
}

// commitConfig writes muster.toml and commits it with the files of the repository.
func (r *agentRig) commitConfig(text string) {
	r.t.Helper()
	r.write(r.repo+"/muster.toml", text)
	r.git("add", "-A")
	r.git("commit", "-q", "--allow-empty", "-m", "configured")
}

// goVariables returns lines for an agent's variables by which it builds with the caches of the test's user.
func goVariables(t *testing.T) string {
	t.Helper()
	return `GOCACHE = "` + goEnv(t, "GOCACHE") + `"
GOPATH = "` + goEnv(t, "GOPATH") + `"
GOTOOLCHAIN = "local"
`
}

// tmp returns a file in the directory for temporary files of a task's processes.
func (r *agentRig) tmp(id event.TaskID, name string) string {
	if inFence() {
		return filepath.Join(home.Dir(r.home).TempDir(id), name)
	}
	return filepath.Join(r.root, "usertmp", name)
}

// configure commits the muster.toml of such a user. more holds further keys of [agents.claude].
func (r *agentRig) configure(config, more string) {
	r.t.Helper()
	r.commitConfig("[task]\nagent = \"claude\"\n" + config + "\n" + r.agentTables(more, "CLAUDE_CODE_MAX_RETRIES = \"0\"\n"+goVariables(r.t)))
}

// agentTables returns the tables of muster.toml for the user's Claude Code, with further keys and further variables.
func (r *agentRig) agentTables(keys, env string) string {
	return `[agents.claude]
env_from = ["ANTHROPIC_API_KEY"]
` + keys + `
[agents.claude.env]
ANTHROPIC_BASE_URL = "` + r.model.URL + `"
CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC = "1"
NO_PROXY = "127.0.0.1,localhost"
` + env
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// setVar sets a variable of the user's environment; an empty value removes it.
func (r *agentRig) setVar(name, value string) {
	r.env = slices.DeleteFunc(slices.Clone(r.env), func(kv string) bool { return strings.HasPrefix(kv, name+"=") })
	if value != "" {
		r.env = append(r.env, name+"="+value)
	}
}

// queue dispatches a task with a prompt of any size.
func (r *agentRig) queue(name, prompt string, flags ...string) event.TaskID {
	r.t.Helper()
	cmd := r.command(append([]string{"dispatch", "--name", name, "-"}, flags...)...)
	var errs bytes.Buffer
	cmd.Stdin, cmd.Stderr = strings.NewReader(prompt), &errs
	out, err := cmd.Output()
	id := event.TaskID(strings.TrimSpace(string(out)))
	if err != nil || !event.IsTaskID(string(id)) {
		r.t.Fatalf("dispatch printed %q (%v)\n%s", out, err, errs.String())
	}
	return id
}

// await polls until the condition holds, for at most the time that Claude may take.
func (r *agentRig) await(what string, ok func() bool) {
	r.t.Helper()
	if !poll(cmp.Or(r.patience, patienceClaude), 250*time.Millisecond, ok) {
		r.t.Fatalf("did not happen: %s", what)
	}
}

// becomes waits until the task is in one of these states and returns the task. It stops waiting for a task that ends
// in another state.
func (r *agentRig) becomes(id event.TaskID, want ...event.State) life.Task {
	r.t.Helper()
	var t life.Task
	r.await(fmt.Sprintf("%s is %v", id, want), func() bool {
		t = r.task(id)
		if !slices.Contains(want, t.State) && (t.State.Final() || t.State == event.Parked) {
			r.t.Fatalf("%s is %s (%s: %s), want %v", id, t.State, t.Reason, t.Detail, want)
		}
		return slices.Contains(want, t.State)
	})
	return t
}

// asked waits until the model was asked for the n-th time, and returns that call.
func (r *agentRig) asked(n int) model.Request {
	r.t.Helper()
	r.await(fmt.Sprintf("the model is called %d times", n), func() bool { return len(r.model.Requests()) >= n })
	return r.model.Requests()[n-1]
}

// once proves that each of the texts is in the conversation one time.
func (r *agentRig) once(texts ...string) {
	r.t.Helper()
	for _, text := range texts {
		if n := r.model.Seen(text); n != 1 {
			r.t.Errorf("the model was told %q %d times, want once", text, n)
		}
	}
}

// workFile returns the path of a file in the worktree that a task of this name will have.
func (r *agentRig) workFile(id event.TaskID, name, file string) string {
	return filepath.Join(home.Dir(r.home).Worktree(id, home.Slug(name)), file)
}

// such counts the events of one kind of a task that satisfy a condition.
func such[P event.Payload](r *agentRig, id event.TaskID, ok func(P) bool) int {
	r.t.Helper()
	return len(slices.DeleteFunc(payloads[P](r.Fleet, id), func(p P) bool { return !ok(p) }))
}

// digest returns a short digest of a file's content.
func (r *agentRig) digest(path string) string {
	r.t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		r.t.Fatal(err)
	}
	return fmt.Sprintf("%d bytes, %x", len(b), sha256.Sum256(b))
}

// linesOf counts the lines of a file; 0 if there is none.
func linesOf(path string) int {
	b, _ := os.ReadFile(path)
	return strings.Count(string(b), "\n")
}

// tell logs the screens and the calls of the model when a test has failed.
func (r *agentRig) tell() {
	if !r.t.Failed() {
		return
	}
	panes, _ := r.tryTmux("list-panes", "-a", "-F", "#{pane_id} #{session_name}:#{window_name}")
	for line := range strings.Lines(panes) {
		id, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		screen, _ := r.tryTmux("capture-pane", "-p", "-t", id)
		r.t.Logf("screen of %s:\n%s", name, screen)
	}
	for i, q := range r.model.Requests() {
		r.t.Logf("call %d: %d messages, the last: %.700s", i+1, len(q.Messages), fmt.Sprintf("%+v", q.Last()))
	}
}

func useEdit(file, old, replacement string) model.Step {
	return model.ToolUse("Edit", map[string]any{"file_path": file, "old_string": old, "new_string": replacement})
}

func useRead(file string) model.Step { return model.ToolUse("Read", map[string]any{"file_path": file}) }

func useBash(command string) model.Step {
	return model.ToolUse("Bash", map[string]any{"command": command, "description": "as it says"})
}
