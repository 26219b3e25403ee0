package sim

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"muster/internal/event"
	"muster/internal/home"
	"muster/internal/mail"
	"muster/internal/status"
)

// TestMain makes the test binary the program under test, so that it runs in a real pane without a build.
func TestMain(m *testing.M) {
	if os.Getenv("SIM_UNDER_TEST") == "1" {
		os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Getenv))
	}
	os.Exit(m.Run())
}

const (
	conversation = "c-1"
	patience     = 20 * time.Second
)

// pane is the program in a pane of a private tmux server.
type pane struct {
	t        *testing.T
	dir      string // parent of all files
	worktree string
	home     home.Dir
	gen      int
	env      []string
	socket   string
	starts   int
}

func newPane(t *testing.T) *pane {
	t.Helper()
	dir, err := os.MkdirTemp("", "sim") // short: the path of a socket is limited
	if err != nil {
		t.Fatal(err)
	}
	p := &pane{t: t, dir: dir, worktree: filepath.Join(dir, "w"), home: home.Dir(filepath.Join(dir, "h")), gen: 1, socket: filepath.Join(dir, "s")}
	if err := os.Mkdir(p.worktree, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := p.home.Create(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("screen:\n%s\nstatus: %s\nlog:\n%s", p.try("capture-pane", "-p"), p.read(p.statusFile()), p.read(p.log()))
		}
		for _, l := range p.marks() {
			if w := strings.Fields(l); w[0] == "begin" || strings.HasPrefix(w[0], "child") {
				p.kill(w)
			}
		}
		p.try("kill-server")
		_ = os.RemoveAll(dir)
	})
	return p
}

// kill ends a process that a line of the log names, if it still belongs to this test.
func (p *pane) kill(words []string) {
	pid, err := strconv.Atoi(strings.TrimPrefix(words[0], "child:"))
	if err != nil {
		pid, _ = strconv.Atoi(words[1])
	}
	if pid > 1 {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

func (p *pane) statusFile() string { return p.home.StatusFile("t1", p.gen) }
func (p *pane) log() string        { return filepath.Join(p.dir, "log") }
func (p *pane) state() string      { return filepath.Join(p.dir, "state") }

func (p *pane) read(path string) string {
	data, _ := os.ReadFile(path)
	return string(data)
}

// start runs the program with a prompt in a new session. The pane stays when the program exits.
func (p *pane) start(prompt string, args ...string) {
	p.t.Helper()
	p.starts++
	file := filepath.Join(p.dir, fmt.Sprintf("prompt%d", p.starts))
	if err := os.WriteFile(file, []byte(prompt), 0o600); err != nil {
		p.t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		p.t.Fatal(err)
	}
	argv := []string{
		"-f", "/dev/null", "new-session", "-d", "-s", fmt.Sprintf("g%d", p.starts), "-x", "100", "-y", "40", "-c", p.worktree,
		"env", "SIM_UNDER_TEST=1", "MUSTER_HOME=" + string(p.home), "MUSTER_TASK=t1", fmt.Sprintf("MUSTER_GEN=%d", p.gen),
		"MUSTER_STATUS_FILE=" + p.statusFile(), "MUSTER_WORKTREE=" + p.worktree, "MUSTER_PROMPT_FILE=" + file,
		"MUSTER_SIM_LOG=" + p.log(),
	}
	argv = append(argv, p.env...)
	argv = append(argv, exe, "--conversation", conversation, "--state", p.state())
	argv = append(argv, args...)
	p.tmux(append(argv, ";", "set-option", "-g", "remain-on-exit", "on")...)
}

// resume starts the next generation in the same conversation.
func (p *pane) resume(prompt string) {
	p.t.Helper()
	p.gen++
	p.start(prompt, "--resume")
}

func (p *pane) target() string { return fmt.Sprintf("g%d:", p.starts) }

func (p *pane) run(argv ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, "tmux", append([]string{"-S", p.socket}, argv...)...).CombinedOutput()
	return string(out), err
}

func (p *pane) tmux(argv ...string) string {
	p.t.Helper()
	out, err := p.run(argv...)
	if err != nil {
		p.t.Fatalf("tmux %q: %v: %s", argv, err, out)
	}
	return out
}

// try runs a command that may fail, with the pane as its target if it takes one.
func (p *pane) try(argv ...string) string {
	if argv[0] != "kill-server" {
		argv = append(argv, "-t", p.target())
	}
	out, _ := p.run(argv...)
	return out
}

func (p *pane) keys(keys ...string) {
	p.t.Helper()
	p.tmux(append([]string{"send-keys", "-t", p.target()}, keys...)...)
}

// paste pastes a text as muster does: bracketed.
func (p *pane) paste(text string) {
	p.t.Helper()
	file := filepath.Join(p.dir, "buffer")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.tmux("load-buffer", "-b", "b", file)
	p.tmux("paste-buffer", "-p", "-r", "-d", "-b", "b", "-t", p.target())
}

// submit pastes a text and presses Enter once the text is shown. In a single read both would be text.
func (p *pane) submit(text string) {
	p.t.Helper()
	p.paste(text)
	first, _, _ := strings.Cut(text, "\n")
	p.shows("> " + first)
	p.keys("Enter")
}

func (p *pane) screen() string {
	p.t.Helper()
	return p.tmux("capture-pane", "-p", "-J", "-t", p.target())
}

// until polls for a condition, with a deadline.
func (p *pane) until(what string, ok func() bool) {
	p.t.Helper()
	end := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(end) {
			p.t.Fatalf("no %s in %v", what, patience)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (p *pane) shows(text string) {
	p.t.Helper()
	p.until(fmt.Sprintf("%q on the screen", text), func() bool { return strings.Contains(p.screen(), text) })
}

// records returns the valid records of the generation's status file.
func (p *pane) records() []event.Record {
	var all []event.Record
	scan := bufio.NewScanner(bytes.NewReader([]byte(p.read(p.statusFile()))))
	scan.Buffer(nil, 64<<20)
	for scan.Scan() {
		if r, err := status.Parse(scan.Bytes()); err == nil {
			all = append(all, r)
		}
	}
	return all
}

// record waits for the n-th record of a kind, from 1.
func (p *pane) record(n int, what string, match func(event.Record) bool) event.Record {
	p.t.Helper()
	var found event.Record
	p.until(fmt.Sprintf("record %d: %s", n, what), func() bool {
		seen := 0
		for _, r := range p.records() {
			if match(r) {
				if seen++; seen == n {
					found = r
					return true
				}
			}
		}
		return false
	})
	return found
}

func (p *pane) idle(n int) event.Record {
	p.t.Helper()
	return p.record(n, "idle", func(r event.Record) bool { return r.State == event.RecordIdle })
}

// dead waits for the end of the pane's process, and returns its status and signal.
func (p *pane) dead() (exit, signal string) {
	p.t.Helper()
	var out string
	p.until("end of the process", func() bool {
		out = strings.TrimSpace(p.tmux("display-message", "-p", "-t", p.target(), "#{pane_dead}|#{pane_dead_status}|#{pane_dead_signal}"))
		if out == "1||" {
			// Some builds of tmux miss the death of a child until they get a SIGCHLD.
			if server, err := strconv.Atoi(strings.TrimSpace(p.tmux("display-message", "-p", "#{pid}"))); err == nil {
				_ = syscall.Kill(server, syscall.SIGCHLD)
			}
			return false
		}
		return strings.HasPrefix(out, "1|")
	})
	w := strings.Split(out, "|")
	return w[1], w[2]
}

func (p *pane) pid() int {
	p.t.Helper()
	var pid int
	p.until("begin line", func() bool {
		for _, l := range p.marks() {
			if w := strings.Fields(l); w[0] == "begin" && w[2] == strconv.Itoa(p.gen) {
				pid, _ = strconv.Atoi(w[1])
			}
		}
		return pid > 0
	})
	return pid
}

// marks returns the lines of the log.
func (p *pane) marks() []string {
	return strings.Split(strings.TrimSpace(p.read(p.log())), "\n")[:strings.Count(p.read(p.log()), "\n")]
}

func (p *pane) file(name string) string { return p.read(filepath.Join(p.worktree, name)) }

func (p *pane) box() mail.Box { return mail.Of(p.home.Gen("t1", p.gen)) }

// script puts lines into the fenced block of a prompt.
func script(lines ...string) string {
	return "Do the thing.\n\n```sim\n" + strings.Join(lines, "\n") + "\n```\n"
}

// ps returns one column of ps for a process.
func ps(t *testing.T, pid int, column string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ps", "-o", column+"=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		t.Fatalf("ps %s of %d: %v", column, pid, err)
	}
	return strings.TrimSpace(string(out))
}
