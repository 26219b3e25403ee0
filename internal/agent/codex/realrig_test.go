package codex_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"muster/internal/agent"
	"muster/internal/agent/codex"
	"muster/internal/event"
	"muster/internal/home"
	"muster/internal/mail"
	"muster/internal/status"
	testcodex "muster/internal/testkit/codex"
	"muster/internal/testkit/model"
	testprogram "muster/internal/testkit/program"
)

// patience is how long a test waits for the real program, whose start alone may take ten seconds where many tests run
// at once.
const patience = 90 * time.Second

// program is the program that hooks and panes run. It is this test binary without the race detector, because an agent
// starts it at every call of a tool.
var program = testprogram.Temp{Name: "program", Make: func(path string) error { return testprogram.BuildTest(path, "") }}

// exe returns the path of the program that hooks and panes run.
func exe() (string, error) {
	if testprogram.Raced {
		return program.Path()
	}
	return os.Executable()
}

// TestMain lets this test binary act as the program that hooks and panes run.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "hook":
			os.Exit(hookMain())
		case "exec":
			os.Exit(execMain())
		}
	}
	status := m.Run()
	program.Remove()
	os.Exit(status)
}

func hookMain() int {
	ppid := os.Getppid()
	return codex.New().Hook(context.Background(), agent.HookCall{
		Event: os.Args[3], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, PPID: ppid,
	})
}

// execSpec describes the program that execMain replaces itself by.
type execSpec struct {
	Dir       string
	Argv, Env []string
}

func execMain() int {
	var s execSpec
	b, err := os.ReadFile(os.Args[2])
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err == nil {
		err = os.Chdir(s.Dir)
	}
	if err == nil {
		err = syscall.Exec(s.Argv[0], s.Argv, s.Env)
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// rig is one task with a real agent in a real pane of a private tmux server.
type rig struct {
	t      *testing.T
	model  *model.Server
	user   testcodex.User
	launch agent.Launch
	socket string
	pid    int
}

// newRig makes a repository that its user trusts, a linked worktree of it elsewhere, and a launch of the first
// generation. It starts nothing.
func newRig(t *testing.T, prompt string, spec event.Spec, script ...model.Step) *rig {
	t.Helper()
	dir := realTemp(t)
	repo, worktree := filepath.Join(dir, "repo"), filepath.Join(dir, "work", "t1-x")
	sh(t, dir, `git init -q -b main repo && cd repo && echo hello > a.txt && git add . &&
		git -c user.name=t -c user.email=t@t commit -q -m first && git worktree add -q -b x ../work/t1-x`)
	state := home.Dir(filepath.Join(dir, "state"))
	if err := state.Create(); err != nil {
		t.Fatal(err)
	}
	// The server survives its last session, as the fleet's own server does. Otherwise a new session could reach the
	// server while it exits.
	if err := os.WriteFile(filepath.Join(dir, "tmux.conf"), []byte("set -s exit-empty off\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	exe, err := exe()
	if err != nil {
		t.Fatal(err)
	}
	spec.Agent, spec.Kind, spec.Repo = "codex", "codex", repo
	m := model.Start(t, script...)
	r := &rig{t: t, model: m, user: testcodex.NewUser(t, m.URL, repo), socket: filepath.Join(dir, "s")}
	r.launch = agent.Launch{
		Home: state, Task: "t1", Gen: 1, Spec: spec, Worktree: worktree, Exe: exe, Prompt: prompt,
		Conversation: newConversation(), Preamble: agent.Preamble(spec),
	}
	r.launch.Env = append(r.user.Env(t),
		"MUSTER_HOME="+string(state), "MUSTER_TASK=t1", "MUSTER_WORKTREE="+worktree)
	t.Cleanup(r.end)
	return r
}

func realTemp(t *testing.T) string {
	t.Helper()
	// Not t.TempDir, whose long name makes a socket path too long.
	dir, err := os.MkdirTemp("", "muster")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func sh(t *testing.T, dir, script string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-ec", script)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

func (r *rig) adapter() agent.Adapter {
	return codex.New()
}

func (r *rig) box() mail.Box { return mail.Of(r.launch.Dirs()) }

// start plans and starts the generation.
func (r *rig) start() {
	r.t.Helper()
	plan, err := r.adapter().Plan(r.launch)
	if err != nil {
		r.t.Fatal(err)
	}
	dir := r.launch.Dirs().RO()
	if err := r.box().Create(); err != nil {
		r.t.Fatal(err)
	}
	for _, f := range plan.Files {
		if err := os.WriteFile(filepath.Join(dir, f.Path), f.Data, f.Mode); err != nil {
			r.t.Fatal(err)
		}
	}
	if err := r.box().WriteChecks(r.launch.Spec.Checks, mail.CheckEnv{
		Task: "t1", Gen: r.launch.Gen, Worktree: r.launch.Worktree, Slots: []string{r.launch.Home.CheckSlot(0)},
	}); err != nil {
		r.t.Fatal(err)
	}
	env := slices.Concat(r.launch.Env, plan.Env, []string{
		"MUSTER_GEN=" + strconv.Itoa(r.launch.Gen), "MUSTER_STATUS_FILE=" + r.statusFile(),
	})
	spec, err := json.Marshal(execSpec{Dir: r.launch.Worktree, Argv: plan.Argv, Env: env})
	if err != nil {
		r.t.Fatal(err)
	}
	file := filepath.Join(dir, "exec.json")
	if err := os.WriteFile(file, spec, 0o600); err != nil {
		r.t.Fatal(err)
	}
	out := r.tmux("new-session", "-d", "-P", "-F", "#{pane_pid}", "-s", "g"+strconv.Itoa(r.launch.Gen), "-x", "140", "-y", "50", r.launch.Exe, "exec", file)
	if r.pid, err = strconv.Atoi(strings.TrimSpace(out)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) tmux(args ...string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "tmux", append([]string{"-f", filepath.Join(filepath.Dir(r.socket), "tmux.conf"), "-S", r.socket}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + r.user.Home, "LANG=C.UTF-8", "TERM=xterm-256color"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("tmux %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func (r *rig) screen() string {
	cmd := exec.Command("tmux", "-S", r.socket, "capture-pane", "-e", "-p") //nolint:noctx // also used when the test's context is over
	out, _ := cmd.CombinedOutput()
	return strings.TrimSpace(string(out))
}

// end ends the agent, its descendants, and the server.
func (r *rig) end() {
	if r.t.Failed() {
		r.t.Logf("screen:\n%s\nrecords:\n%s", r.screen(), r.dump())
	}
	if r.pid > 0 {
		_ = syscall.Kill(r.pid, syscall.SIGKILL)
	}
	_ = exec.Command("tmux", "-S", r.socket, "kill-server").Run() //nolint:noctx // the test's context is over
	deadline := time.Now().Add(10 * time.Second)
	for _, pid := range r.marked() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	for len(r.marked()) > 0 && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
}

// marked returns the processes that carry this rig's state directory in their environment.
func (r *rig) marked() []int {
	return processes(r.t, "MUSTER_HOME="+string(r.launch.Home))
}

func (r *rig) statusFile() string { return r.launch.Home.StatusFile("t1", r.launch.Gen) }

func (r *rig) dump() string {
	b, _ := os.ReadFile(r.statusFile())
	return string(b)
}

func (r *rig) records() []event.Record {
	r.t.Helper()
	b, err := os.ReadFile(r.statusFile())
	if err != nil && !os.IsNotExist(err) {
		r.t.Fatal(err)
	}
	var out []event.Record
	for line := range bytes.Lines(b) {
		rec, err := status.Parse(line)
		if err != nil {
			r.t.Fatalf("bad record %s: %v", line, err)
		}
		out = append(out, rec)
	}
	return out
}

// until polls until the condition holds.
func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			r.t.Fatalf("did not happen: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// record waits for a record.
func (r *rig) record(what string, ok func(event.Record) bool) event.Record {
	r.t.Helper()
	var found event.Record
	r.until(what, func() bool {
		all := r.records()
		i := slices.IndexFunc(all, ok)
		if i >= 0 {
			found = all[i]
		}
		return i >= 0
	})
	return found
}

// over waits until the rollout says that n turns are over.
func (r *rig) over(n int) {
	r.t.Helper()
	r.until(fmt.Sprintf("turn %d is over", n), func() bool {
		return count(r.source("transcript"), func(rec event.Record) bool { return rec.State == event.RecordIdle }) >= n
	})
}

func count(records []event.Record, ok func(event.Record) bool) int {
	n := 0
	for _, rec := range records {
		if ok(rec) {
			n++
		}
	}
	return n
}

// asked waits until the model was asked for the n-th time, and returns that call.
func (r *rig) asked(n int) model.Request {
	r.t.Helper()
	r.until(fmt.Sprintf("the model is called %d times", n), func() bool { return len(r.model.Requests()) >= n })
	return r.model.Requests()[n-1]
}

// say types a message as the supervisor does, once the agent accepts input.
func (r *rig) say(id event.MessageID, text string) {
	r.t.Helper()
	r.until("the agent takes what is typed", func() bool { return r.posture() == agent.PostureReady })
	texts := r.adapter().Typed(mail.Message{ID: id, Text: text})
	r.paste(texts...)
	time.Sleep(150 * time.Millisecond)
	r.until("all of it stands in the input", func() bool { return r.posture(texts...) == agent.PostureTyped })
	for range 2 {
		r.tmux("send-keys", "-t", r.pane(), "Enter")
		for deadline := time.Now().Add(3 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
			if r.posture(texts...) != agent.PostureTyped {
				return
			}
		}
	}
}

func (r *rig) pane() string { return "g" + strconv.Itoa(r.launch.Gen) }

// posture returns the adapter's view of the agent's input.
func (r *rig) posture(texts ...string) agent.Posture {
	return r.adapter().Posture(r.launch, r.pid, r.tmux("capture-pane", "-e", "-p", "-t", r.pane()), texts)
}

// paste pastes texts in one command of the server.
func (r *rig) paste(texts ...string) {
	r.t.Helper()
	var args []string
	for i, text := range texts {
		name := fmt.Sprintf("paste%d", i)
		file := filepath.Join(string(r.launch.Home), name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			r.t.Fatal(err)
		}
		args = append(args, "load-buffer", "-b", name, file, ";", "paste-buffer", "-d", "-p", "-r", "-b", name, "-t", r.pane(), ";")
	}
	r.tmux(args[:len(args)-1]...)
}

// source reads another file of the agent from its start, as the supervisor does after a restart.
func (r *rig) source(name string) []event.Record {
	r.t.Helper()
	for _, s := range r.adapter().Sources(r.launch, r.pid) {
		if s.Name != name {
			continue
		}
		b, err := os.ReadFile(s.Path)
		if err != nil {
			return nil
		}
		if s.Whole {
			out, err := s.Parse(b)
			if err != nil {
				return nil // read in the middle of a rewrite
			}
			return out
		}
		var out []event.Record
		for line := range bytes.Lines(b) {
			recs, err := s.Parse(bytes.TrimSpace(line))
			if err != nil {
				continue // a torn last line
			}
			out = append(out, recs...)
		}
		return out
	}
	return nil
}

// kill ends the agent as a crash does, and waits until it is gone.
func (r *rig) kill() {
	r.t.Helper()
	if err := syscall.Kill(r.pid, syscall.SIGKILL); err != nil {
		r.t.Fatal(err)
	}
	r.until("the agent is gone", func() bool { return arguments(r.pid) == "" })
}

// newConversation returns a random UUID, like the one that the fleet assigns to each conversation.
func newConversation() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
