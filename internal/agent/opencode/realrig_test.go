package opencode_test

import (
	"bytes"
	"context"
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
	"muster/internal/agent/opencode"
	"muster/internal/event"
	"muster/internal/home"
	"muster/internal/mail"
	"muster/internal/proof/prooftest"
	"muster/internal/status"
	"muster/internal/testkit/model"
	testopencode "muster/internal/testkit/opencode"
	testprogram "muster/internal/testkit/program"
)

// patience is how long a test waits for the real program. Its first start in a new home installs packages, which takes a
// minute beside a busy machine.
const patience = 10 * time.Minute

// program is the program that hooks and panes run: this test binary without the race detector.
var program = testprogram.Temp{Name: "program", Make: func(path string) error { return testprogram.BuildTest(path, "") }}

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
			os.Exit(opencode.New().Hook(context.Background(), agent.HookCall{
				Event: os.Args[3], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, PPID: os.Getppid(),
			}))
		case "exec":
			os.Exit(execMain())
		}
	}
	status := m.Run()
	program.Remove()
	os.Exit(status)
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
	user   testopencode.User
	launch agent.Launch
	socket string
	pid    int
}

// newRig makes a repository, a linked worktree of it elsewhere which the agent has never seen, and a launch of the first
// generation. It starts nothing.
func newRig(t *testing.T, prompt string, spec event.Spec, permission map[string]any, script ...model.Step) *rig {
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
	repo, worktree := filepath.Join(dir, "repo"), filepath.Join(dir, "work", "t1-x")
	sh(t, dir, `git init -q -b main repo && cd repo && echo hello > a.txt && git add . &&
		git -c user.name=t -c user.email=t@t commit -q -m first && git worktree add -q -b x ../work/t1-x`)
	state := home.Dir(filepath.Join(dir, "state"))
	if err := state.Create(); err != nil {
		t.Fatal(err)
	}
	// The server survives its last session, as the fleet's own server does. Otherwise a new session could reach the server
	// while it exits.
	if err := os.WriteFile(filepath.Join(dir, "tmux.conf"), []byte("set -s exit-empty off\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	exe, err := exe()
	if err != nil {
		t.Fatal(err)
	}
	spec.Agent, spec.Kind, spec.Repo = "opencode", "opencode", repo
	r := &rig{t: t, model: model.Start(t, script...), socket: filepath.Join(dir, "s")}
	r.user = testopencode.NewUser(t, r.model.URL, permission)
	r.launch = agent.Launch{
		Home: state, Task: "t1", Gen: 1, Spec: spec, Worktree: worktree, Exe: exe, Prompt: prompt,
		Conversation: "0f9a7c5e-52a5-4a8b-9d0e-6a6d2c1b3e4f", Preamble: agent.Preamble(spec),
	}
	r.launch.Env = append(r.user.Env(t), "MUSTER_HOME="+string(state), "MUSTER_TASK=t1", "MUSTER_WORKTREE="+worktree)
	t.Cleanup(r.end)
	return r
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

func (r *rig) box() mail.Box { return mail.Of(r.launch.Dirs()) }

// start checks, plans and starts the generation.
func (r *rig) start() {
	r.t.Helper()
	a := opencode.New()
	if err := a.Check(r.t.Context(), agent.Preflight{Spec: r.launch.Spec, Env: r.launch.Env, Home: r.launch.Home}); err != nil {
		r.t.Fatal(err)
	}
	plan, err := a.Plan(r.launch)
	if err != nil {
		r.t.Fatal(err)
	}
	dir := r.launch.Dirs().RO()
	if err := r.box().Create(); err != nil {
		r.t.Fatal(err)
	}
	for _, f := range plan.Files {
		path := filepath.Join(dir, f.Path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, f.Mode); err != nil {
			r.t.Fatal(err)
		}
	}
	if err := r.box().WriteChecks(r.launch.Spec.Checks, mail.CheckEnv{
		Task: "t1", Gen: r.launch.Gen, Worktree: r.launch.Worktree, Slots: []string{r.launch.Home.CheckSlot(0)},
	}); err != nil {
		r.t.Fatal(err)
	}
	env := slices.Concat(r.launch.Env, plan.Env, []string{
		"MUSTER_GEN=" + strconv.Itoa(r.launch.Gen), "MUSTER_STATUS_FILE=" + r.statusFile(), "TERM=tmux-256color",
	})
	spec, err := json.Marshal(execSpec{Dir: r.launch.Worktree, Argv: plan.Argv, Env: env})
	if err != nil {
		r.t.Fatal(err)
	}
	file := filepath.Join(dir, "exec.json")
	if err := os.WriteFile(file, spec, 0o600); err != nil {
		r.t.Fatal(err)
	}
	out := r.tmux("new-session", "-d", "-P", "-F", "#{pane_pid}", "-s", r.pane(), "-x", "140", "-y", "50", r.launch.Exe, "exec", file)
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
	cmd := exec.Command("tmux", "-S", r.socket, "capture-pane", "-p", "-t", r.pane()) //nolint:noctx // also used when the test's context is over
	out, _ := cmd.CombinedOutput()
	return strings.TrimSpace(string(out))
}

// end ends the agent, its descendants, and the server.
func (r *rig) end() {
	if r.t.Failed() {
		r.t.Logf("screen:\n%s\nrecords:\n%s\njournal:\n%+v\nthe agent's log:\n%s", r.screen(), r.dump(), r.journal(), r.log())
	}
	if r.pid > 0 {
		_ = syscall.Kill(r.pid, syscall.SIGKILL)
	}
	_ = exec.Command("tmux", "-S", r.socket, "kill-server").Run() //nolint:noctx // the test's context is over
	for deadline := time.Now().Add(30 * time.Second); len(r.hooks()) > 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Errorf("hooks outlive the agent: %v", r.hooks())
			for _, pid := range r.hooks() {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
			return
		}
	}
}

// log returns the end of the agent's own log.
func (r *rig) log() string {
	files, _ := filepath.Glob(filepath.Join(r.user.Home, ".local/share/opencode/log/*.log"))
	var out []byte
	for _, f := range files {
		b, _ := os.ReadFile(f)
		out = append(out, b[max(0, len(b)-4000):]...)
	}
	return string(out)
}

// hooks returns the processes that run hooks of this rig's agent.
func (r *rig) hooks() []int {
	entries, _ := os.ReadDir("/proc")
	var out []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		args, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		env, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		if bytes.Contains(args, []byte("\x00hook\x00opencode\x00")) && bytes.Contains(env, []byte("MUSTER_HOME="+string(r.launch.Home)+"\x00")) {
			out = append(out, pid)
		}
	}
	return out
}

func (r *rig) pane() string { return "g" + strconv.Itoa(r.launch.Gen) }

func (r *rig) statusFile() string { return r.launch.Home.StatusFile("t1", r.launch.Gen) }

func (r *rig) dump() string {
	b, _ := os.ReadFile(r.statusFile())
	return string(b)
}

// records returns the records of the generation so far.
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

// journal returns the records of the journal, read from its start as the supervisor does after a restart.
func (r *rig) journal() []event.Record {
	var out []event.Record
	for _, s := range opencode.New().Sources(r.launch, r.pid) {
		b, _ := os.ReadFile(s.Path)
		for line := range bytes.Lines(b) {
			if recs, err := s.Parse(bytes.TrimSpace(line)); err == nil {
				out = append(out, recs...)
			}
		}
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
		time.Sleep(50 * time.Millisecond)
	}
}

// record waits for a record that comes after the first n, and returns it with the number of records up to it.
func (r *rig) record(n int, what string, ok func(event.Record) bool) (event.Record, int) {
	r.t.Helper()
	var found event.Record
	r.until(what, func() bool {
		all := r.records()
		i := slices.IndexFunc(all[min(n, len(all)):], ok)
		if i >= 0 {
			n += i
			found = all[n]
		}
		return i >= 0
	})
	return found, n + 1
}

// idle waits for the end of a turn after the first n records and returns the number of records up to it.
func (r *rig) idle(n int) int {
	r.t.Helper()
	_, n = r.record(n, "the turn ends", func(rec event.Record) bool { return rec.State == event.RecordIdle })
	return n
}

// states returns the states of the records, each run of equal ones once.
func (r *rig) states() []event.RecordState {
	var out []event.RecordState
	for _, rec := range r.records() {
		out = append(out, rec.State)
	}
	return slices.Compact(out)
}

// send puts a message into the mailbox.
func (r *rig) send(id event.MessageID, text string) {
	r.t.Helper()
	m := mail.Message{ID: id, Text: text}
	prooftest.Send(r.t, r.launch.Home, "t1", r.launch.Gen, m)
	if err := opencode.New().Post(r.launch, m); err != nil {
		r.t.Fatal(err)
	}
}

// kill ends the agent as a crash does, and waits until it is gone.
func (r *rig) kill() {
	r.t.Helper()
	if err := syscall.Kill(r.pid, syscall.SIGKILL); err != nil {
		r.t.Fatal(err)
	}
	r.until("the agent is gone", func() bool {
		args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", r.pid))
		return syscall.Kill(r.pid, 0) != nil || err == nil && len(args) == 0 // tmux may leave it unreaped for a while
	})
}
