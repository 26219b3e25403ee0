package e2e

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"muster/internal/event"
	"muster/internal/life"
	"muster/internal/tmux/tmuxtest"
)

// terminal is a terminal of a person: a pane of a tmux server that has nothing to do with the fleet's.
type terminal struct {
	f   *Fleet
	raw tmuxtest.Raw
}

// terminal opens a terminal of the given size with a shell.
func (f *Fleet) terminal(columns, rows string) terminal {
	f.t.Helper()
	dir, err := os.MkdirTemp("/tmp", "m-term-") // short, because the path of a socket is below it
	if err != nil {
		f.t.Fatal(err)
	}
	s := terminal{f: f, raw: tmuxtest.Raw{Socket: dir + "/s", Conf: "/dev/null", Env: f.env}}
	f.t.Cleanup(func() {
		_, _ = s.raw.Do(context.WithoutCancel(f.t.Context()), "kill-server")
		_ = os.RemoveAll(dir)
	})
	s.do("new-session", "-d", "-s", "p", "-x", columns, "-y", rows, "env", "PS1=ready> ", "sh")
	return s
}

func (s terminal) do(args ...string) string {
	s.f.t.Helper()
	out, err := s.raw.Do(s.f.t.Context(), args...)
	if err != nil {
		s.f.t.Fatalf("tmux %q: %v %s", args, err, out)
	}
	return out
}

func (s terminal) keys(names ...string) {
	s.f.t.Helper()
	s.do(append([]string{"send-keys", "-t", "p"}, names...)...)
}

// screen returns the screen without the empty lines at its end.
func (s terminal) screen() string {
	return strings.TrimRight(s.do("capture-pane", "-p", "-t", "p"), " \n")
}

// shows waits until the screen matches a pattern.
func (s terminal) shows(pattern string) {
	s.f.t.Helper()
	want := regexp.MustCompile(pattern)
	last := ""
	if !poll(patience, 100*time.Millisecond, func() bool { last = s.screen(); return want.MatchString(last) }) {
		s.f.t.Fatalf("the screen never shows %q; it shows\n%s", pattern, last)
	}
}

// modes returns the settings of the terminal's line.
func (s terminal) modes() string {
	s.f.t.Helper()
	tty := strings.TrimSpace(s.do("display-message", "-p", "-t", "p", "#{pane_tty}"))
	flag := "-F"
	if runtime.GOOS == "darwin" {
		flag = "-f"
	}
	out, err := exec.Command("stty", "-a", flag, tty).CombinedOutput()
	if err != nil {
		s.f.t.Fatalf("stty: %v %s", err, out)
	}
	return regexp.MustCompile(`rows \d+; columns \d+;`).ReplaceAllString(string(out), "")
}

func TestTopAnswersByTwoKeysAndLeavesTheTerminalAsItWas(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.up()
	id := f.dispatch("once ask question \"Left or right?\" left|right\nwrite a.txt <<x\ndone")
	f.reaches(id, event.Waiting)
	s := f.terminal("120", "30")
	s.shows("ready>$")
	before := s.modes()
	program := f.command("top").Path

	s.keys(program+" top", "Enter")
	s.shows(`(?s)1 needs you.*NEEDS YOU  1.*\? ` + string(id) + " .*Left or right")
	s.shows(string(id) + ` .* waiting `) // the preview, with the agent's screen below it
	s.keys("n")
	s.shows(`(?s)Left or right\?.*1 left.*2 right.*1-2 choose`)

	// Attached and back: the screen is whole, and the first key counts.
	s.keys("v")
	s.shows(`agent goes on when you leave`)
	s.keys("C-b", "d")
	s.shows(`(?s)muster .*1 needs you.*Left or right\?.*1-2 choose`)
	s.do("resize-window", "-t", "p", "-x", "80", "-y", "24")
	s.shows(`(?s)1 left.*2 right.*1-2 choose`)
	time.Sleep(500 * time.Millisecond) // nobody reads a question sooner, and top takes no answer to what has just appeared
	s.keys("2")
	f.until(id, "is done", func(t life.Task) bool { return t.State == event.Done })
	var answer event.AnswerRequested
	for _, e := range f.events(id) {
		if p, ok := e.Data.(event.AnswerRequested); ok {
			answer = p
		}
	}
	if answer.Text != "right" || answer.Request == "" || answer.Front != event.FrontTop {
		t.Errorf("the answer is %+v", answer)
	}
	s.shows(`(?s)\$ muster answer ` + string(id) + ` 2 --request \S+`)
	s.shows("1 done")

	signal := func(s syscall.Signal) {
		if err := syscall.Kill(f.only("top"), s); err != nil {
			t.Error(err)
		}
	}
	// However it ends, the line has its settings, the screen is the one before, and the cursor is there.
	for _, end := range []func(){
		func() { s.keys("q", "q") }, // the place of the answer, then the program
		func() { s.keys("C-c") },
		func() { signal(syscall.SIGTERM) },
		func() { signal(syscall.SIGHUP) },
	} {
		end()
		s.shows(`ready>$`)
		if after := s.modes(); after != before {
			t.Errorf("the terminal is another one:\n%s\n%s", before, after)
		}
		if got := strings.TrimSpace(s.do("display-message", "-p", "-t", "p", "#{alternate_on} #{cursor_flag} #{mouse_any_flag} #{bracket_paste_flag}")); got != "0 1 0 0" && got != "0 1 0" {
			t.Errorf("the modes of the terminal are %q", got)
		}
		s.keys(program+" top", "Enter")
		s.shows("1 done")
	}
	f.kill(f.only("supervise"))
	f.must("down")
	s.shows("the fleet is down")
	s.keys("q")
	s.shows(`ready>$`)
}

// TestTopOnAReadOnlyDisk checks that top shows the fleet, says why an answer cannot be given, and leaves the request open.
func TestTopOnAReadOnlyDisk(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.up()
	id := f.dispatch("once ask question \"Left or right?\" left|right\nwrite a.txt <<x\ndone")
	f.reaches(id, event.Waiting)
	writable := f.readOnly()
	s := f.terminal("120", "30")
	s.shows("ready>$")
	s.keys(f.command("top").Path+" top", "Enter")
	s.shows(`(?s)1 needs you.*\? ` + string(id) + " .*Left or right")
	s.keys("n")
	s.shows(`(?s)Left or right\?.*1 left.*2 right.*1-2 choose`)
	time.Sleep(500 * time.Millisecond) // nobody reads a question sooner, and top takes no answer to what has just appeared
	s.keys("2")
	s.shows(`(?i)read-?only|not be written|may not write`)
	if got := f.task(id); got.State != event.Waiting {
		t.Errorf("it is %s", got.State)
	}
	s.keys("C-c")
	s.shows(`ready>$`)
	writable() // what was opened on this mount stays read-only, so it is another top that answers
	f.must("answer", string(id), "2")
	f.reaches(id, event.Done)
}
