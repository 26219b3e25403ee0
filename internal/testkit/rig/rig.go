package rig

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"muster/internal/agent"
	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/home"
	"muster/internal/mail"
	"muster/internal/proof/prooftest"
	"muster/internal/run"
	"muster/internal/status"
	"muster/internal/testkit/model"
	"muster/internal/testkit/proc"
	"muster/internal/tmux/tmuxtest"
)

// Rig is one task with a real agent in a real pane of a private tmux server.
type Rig struct {
	T       *testing.T
	Adapter agent.Adapter
	Model   *model.Server
	Launch  agent.Launch
	PID     int // of the agent
	// Patience is how long a test waits for one thing that the real program does.
	Patience time.Duration
	// Tell returns more of what is logged when the test fails; it may be nil.
	Tell func() string
	// Ended is called when the agent and the server have been ended, before the rest is; it may be nil.
	Ended func()

	server tmuxtest.Raw
	user   []string // the user's environment, of an agent with a home of its own
}

// New makes a repository, a linked worktree of it elsewhere, and a launch of the first generation. It starts nothing. user
// returns the user's environment: for the URL of the model, and with what the user's set-up needs to know of the repository.
func New(t *testing.T, a agent.Adapter, prompt string, spec event.Spec, user func(modelURL, repo string) []string, script ...model.Step) *Rig {
	t.Helper()
	dir := temp(t)
	repo, worktree := filepath.Join(dir, "repo"), filepath.Join(dir, "work", "t1-x")
	Shell(t, dir, `git init -q -b main repo && cd repo && echo hello > a.txt && git add . &&
		git -c user.name=t -c user.email=t@t commit -q -m first && git worktree add -q -b x ../work/t1-x`)
	state := home.Dir(filepath.Join(dir, "state"))
	if err := state.Create(); err != nil {
		t.Fatal(err)
	}
	// The server survives its last session, as the fleet's own server does. Otherwise a new session could reach the
	// server while it exits.
	conf := filepath.Join(dir, "tmux.conf")
	if err := os.WriteFile(conf, []byte("set -s exit-empty off\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	exe, err := exe()
	if err != nil {
		t.Fatal(err)
	}
	kind := a.Facts().Kind
	spec.Agent, spec.Kind, spec.Repo = kind, kind, repo
	r := &Rig{T: t, Adapter: a, Model: model.Start(t, script...), Patience: 90 * time.Second}
	r.Launch = agent.Launch{
		Home: state, Task: "t1", Gen: 1, Spec: spec, Worktree: worktree, Exe: exe, Prompt: prompt,
		Conversation: conversation(), Preamble: agent.Preamble(spec),
	}
	r.Launch.Env = append(user(r.Model.URL, repo), "MUSTER_HOME="+string(state), "MUSTER_TASK=t1", "MUSTER_WORKTREE="+worktree)
	if f := a.Facts(); f.OwnHome {
		r.user = slices.Clone(r.Launch.Env)
		r.Launch.Env = append(r.Launch.Env, f.Home+"="+state.PrivateHome("t1"))
	}
	r.server = tmuxtest.Raw{Socket: filepath.Join(dir, "s"), Conf: conf, Env: []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + environ.Get(r.Launch.Env, "HOME"), "LANG=C.UTF-8", "TERM=xterm-256color",
	}}
	t.Cleanup(r.end)
	return r
}

// temp returns a directory for the test. It is not t.TempDir, whose long name makes a socket path too long.
func temp(t *testing.T) string {
	t.Helper()
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

// conversation returns a random UUID, like the one that the fleet assigns to each conversation.
func conversation() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80 // version 8, as the fleet has it: agents check that
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// Shell runs a script in a directory and returns its output.
func Shell(t testing.TB, dir, script string) string {
	t.Helper()
	var out bytes.Buffer
	_, err := run.Do(t.Context(), run.Cmd{Argv: []string{"/bin/sh", "-ec", script}, Dir: dir, Env: os.Environ(), Stdout: &out, Stderr: &out})
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out.String())
	}
	return out.String()
}

// Box returns the mailbox of the generation, as the supervisor uses it.
func (r *Rig) Box() mail.Box { return mail.Of(r.Launch.Dirs()) }

// Start plans and starts the generation.
func (r *Rig) Start() {
	r.T.Helper()
	r.seed()
	plan, err := r.Adapter.Plan(r.Launch)
	r.must(err)
	dir := r.Launch.Dirs().RO()
	r.must(r.Box().Create())
	for _, f := range plan.Files {
		path := filepath.Join(dir, f.Path)
		r.must(os.MkdirAll(filepath.Dir(path), 0o700))
		r.must(os.WriteFile(path, f.Data, f.Mode))
	}
	r.must(r.Box().WriteChecks(r.Launch.Spec.Checks, mail.CheckEnv{
		Task: "t1", Gen: r.Launch.Gen, Worktree: r.Launch.Worktree, Slots: []string{r.Launch.Home.CheckSlot(0)},
	}))
	env := slices.Concat(r.Launch.Env, plan.Env, []string{
		"MUSTER_GEN=" + strconv.Itoa(r.Launch.Gen), "MUSTER_STATUS_FILE=" + r.StatusFile(),
	})
	spec, err := json.Marshal(execSpec{Dir: r.Launch.Worktree, Argv: plan.Argv, Env: env})
	r.must(err)
	file := filepath.Join(dir, "exec.json")
	r.must(os.WriteFile(file, spec, 0o600))
	out := r.Tmux("new-session", "-d", "-P", "-F", "#{pane_pid}", "-s", r.Pane(), "-x", "140", "-y", "50", r.Launch.Exe, "exec", file)
	r.PID, err = strconv.Atoi(strings.TrimSpace(out))
	r.must(err)
}

// seed writes the files of an agent that always has a configuration directory of its own.
func (r *Rig) seed() {
	r.T.Helper()
	s, ok := r.Adapter.(agent.Seeder)
	if !ok || !r.Adapter.Facts().OwnHome {
		return
	}
	files, err := s.Seed(r.Launch, r.user)
	r.must(err)
	dir := r.Launch.Home.PrivateHome(r.Launch.Task)
	r.must(os.MkdirAll(dir, 0o700))
	r.must(agent.Reseed(dir, files))
}

func (r *Rig) must(err error) {
	r.T.Helper()
	if err != nil {
		r.T.Fatal(err)
	}
}

// Tmux runs one command line of the server.
func (r *Rig) Tmux(args ...string) string {
	r.T.Helper()
	out, err := r.server.Do(r.T.Context(), args...)
	if err != nil {
		r.T.Fatalf("tmux %v: %v\n%s", args, err, out)
	}
	return out
}

// Pane returns the target of the agent's pane.
func (r *Rig) Pane() string { return "g" + strconv.Itoa(r.Launch.Gen) }

// Screen returns the agent's screen with its styles, also when the test is over.
func (r *Rig) Screen() string {
	out, _ := r.server.Do(context.Background(), "capture-pane", "-e", "-p", "-t", r.Pane())
	return strings.TrimSpace(out)
}

// end ends the agent, its descendants, and the server.
func (r *Rig) end() {
	if r.T.Failed() {
		more := ""
		if r.Tell != nil {
			more = "\n" + r.Tell()
		}
		r.T.Logf("screen:\n%s\nrecords:\n%s%s", r.Screen(), r.Dump(), more)
	}
	if r.PID > 0 {
		_ = syscall.Kill(r.PID, syscall.SIGKILL)
	}
	_, _ = r.server.Do(context.Background(), "kill-server")
	if r.Ended != nil {
		r.Ended()
	}
	deadline := time.Now().Add(10 * time.Second)
	for _, pid := range r.Marked() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	for len(r.Marked()) > 0 && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
}

// Marked returns the processes that carry this rig's state directory in their environment.
func (r *Rig) Marked() []int { return proc.Marked(r.T, "MUSTER_HOME="+string(r.Launch.Home)) }

// StatusFile returns the path of the generation's status file.
func (r *Rig) StatusFile() string { return r.Launch.Home.StatusFile("t1", r.Launch.Gen) }

// Dump returns the status file.
func (r *Rig) Dump() string {
	b, _ := os.ReadFile(r.StatusFile())
	return string(b)
}

// Records returns the records of the generation so far.
func (r *Rig) Records() []event.Record {
	r.T.Helper()
	b, err := os.ReadFile(r.StatusFile())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.T.Fatal(err)
	}
	var out []event.Record
	for line := range bytes.Lines(b) {
		rec, err := status.Parse(line)
		if err != nil {
			r.T.Fatalf("bad record %s: %v", line, err)
		}
		out = append(out, rec)
	}
	return out
}

// Until polls until the condition holds.
func (r *Rig) Until(what string, ok func() bool) {
	r.T.Helper()
	deadline := time.Now().Add(r.Patience)
	for !ok() {
		if time.Now().After(deadline) {
			r.T.Fatalf("did not happen: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Record waits for a record.
func (r *Rig) Record(what string, ok func(event.Record) bool) event.Record {
	r.T.Helper()
	rec, _ := r.RecordAfter(0, what, ok)
	return rec
}

// RecordAfter waits for a record that comes after the first n, and returns it with the number of records up to it.
func (r *Rig) RecordAfter(n int, what string, ok func(event.Record) bool) (event.Record, int) {
	r.T.Helper()
	var found event.Record
	r.Until(what, func() bool {
		all := r.Records()
		i := slices.IndexFunc(all[min(n, len(all)):], ok)
		if i >= 0 {
			n += i
			found = all[n]
		}
		return i >= 0
	})
	return found, n + 1
}

// Count returns how many records satisfy a condition.
func Count(records []event.Record, ok func(event.Record) bool) int {
	n := 0
	for _, rec := range records {
		if ok(rec) {
			n++
		}
	}
	return n
}

// Called waits until the model was asked for the n-th time, and returns that call.
func (r *Rig) Called(n int) model.Request {
	r.T.Helper()
	r.Until(fmt.Sprintf("the model is called %d times", n), func() bool { return len(r.Model.Requests()) >= n })
	return r.Model.Requests()[n-1]
}

// Say types a message as the supervisor does, once the agent accepts input.
func (r *Rig) Say(id event.MessageID, text string) {
	r.T.Helper()
	r.Until("the agent takes what is typed", func() bool { return r.Posture() == agent.PostureReady })
	texts := r.Adapter.Typed(mail.Message{ID: id, Text: text})
	r.Paste(texts...)
	time.Sleep(150 * time.Millisecond)
	r.Until("all of it stands in the input", func() bool { return r.Posture(texts...) == agent.PostureTyped })
	for range 2 {
		r.Tmux("send-keys", "-t", r.Pane(), "Enter")
		for deadline := time.Now().Add(3 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
			if r.Posture(texts...) != agent.PostureTyped {
				return
			}
		}
	}
}

// Posture returns the adapter's view of the agent's input.
func (r *Rig) Posture(texts ...string) agent.Posture {
	return r.Adapter.Posture(r.Launch, r.PID, r.Tmux("capture-pane", "-e", "-p", "-t", r.Pane()), texts)
}

// Paste pastes texts in one command of the server.
func (r *Rig) Paste(texts ...string) {
	r.T.Helper()
	var args []string
	for i, text := range texts {
		name := fmt.Sprintf("paste%d", i)
		file := filepath.Join(string(r.Launch.Home), name)
		r.must(os.WriteFile(file, []byte(text), 0o600))
		args = append(args, "load-buffer", "-b", name, file, ";", "paste-buffer", "-d", "-p", "-r", "-b", name, "-t", r.Pane(), ";")
	}
	r.Tmux(args[:len(args)-1]...)
}

// Send puts a message into the mailbox and rings.
func (r *Rig) Send(id event.MessageID, text string) {
	r.T.Helper()
	m := mail.Message{ID: id, Text: text}
	prooftest.Send(r.T, r.Launch.Home, "t1", r.Launch.Gen, m)
	r.must(r.Box().Put(m))
	r.must(r.Box().Ring())
}

// HasSource reports whether the agent has another file of that name now.
func (r *Rig) HasSource(name string) bool {
	return slices.ContainsFunc(r.Adapter.Sources(r.Launch, r.PID), func(s status.Source) bool { return s.Name == name })
}

// Source reads another file of the agent from its start, as the supervisor does after a restart. It returns nil while the
// file does not exist or is rewritten.
func (r *Rig) Source(name string) []event.Record {
	r.T.Helper()
	for _, s := range r.Adapter.Sources(r.Launch, r.PID) {
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
				return nil
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
	r.T.Fatalf("no source %q", name)
	return nil
}

// Kill ends the agent as a crash does, and waits until it is gone. The server may leave it unreaped for a while.
func (r *Rig) Kill() {
	r.T.Helper()
	r.must(syscall.Kill(r.PID, syscall.SIGKILL))
	r.Until("the agent is gone", func() bool { return proc.Arguments(r.PID) == "" })
}

// Tokens returns the usage without model and cost, which the program under test chooses. It returns the zero value if the usage is
// of no model, or neither priced nor named as unpriced.
func Tokens(u event.Usage) event.Usage {
	if u.Model == "" || u.CostUSD == 0 && u.Unpriced == "" {
		return event.Usage{}
	}
	u.Model, u.CostUSD, u.Unpriced = "", 0, ""
	return u
}

// Long skips a test that costs much time, because real agents start, unless MUSTER_TEST_AGENTS is "all". `make agents` sets it.
func Long(t testing.TB) {
	t.Helper()
	if os.Getenv("MUSTER_TEST_AGENTS") != "all" {
		t.Skip("it starts real agents: make agents")
	}
}
