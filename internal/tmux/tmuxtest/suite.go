package tmuxtest

import (
	"errors"
	"strings"
	"testing"

	"muster/internal/fault"
	"muster/internal/tmux"
)

// Harness is one fresh Terminal with the means to make things happen around it.
type Harness struct {
	Terminal Terminal
	Dir      string // exists
	// Exit has the program of a pane end with a status. It runs Program.
	Exit func(t *testing.T, p tmux.Pane, code int)
	// Kill ends the program of a pane by a signal.
	Kill func(t *testing.T, p tmux.Pane, signal int)
	// Scroll takes a pane into copy mode.
	Scroll func(t *testing.T, p tmux.Pane)
	// Lose ends the server under the terminal.
	Lose func(t *testing.T)
}

// Program is what the suite runs in panes: it shows what it is told and ends with status N on "exit N".
func Program() []string {
	return []string{"sh", "-c", `while read -r line; do case "$line" in "exit "*) exit "${line#exit }";; esac; done`}
}

// Run checks that a Terminal keeps the promises of *tmux.Client.
func Run(t *testing.T, fresh func(t *testing.T) Harness) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Harness)
	}{
		{"an opened pane is marked, listed and alive", testOpen},
		{"a second open of what lives is a duplicate", testDuplicate},
		{"a session takes a second window", testSecondWindow},
		{"a dead window is used again", testRespawn},
		{"an exit status is known after the end only", testExitStatus},
		{"a signal is told from a status", testSignal},
		{"text arrives in the pane and stays on its screen", testPaste},
		{"nothing is sent to a dead pane", testDeadPane},
		{"nothing is sent into copy mode", testCopyMode},
		{"what is no key is refused", testBadKeys},
		{"what is gone is no pane", testGone},
		{"names are exact", testExactNames},
		{"names that tmux would expand are refused", testBadNames},
		{"a window is not opened in a directory that is not there", testMissingDir},
		{"coming and going is told", testEvents},
		{"a lost server ends everything", testLost},
		{"close ends it, any number of times", testClose},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, fresh(t))
		})
	}
}

// spec is the window that most tests open.
func (h Harness) spec() tmux.OpenSpec {
	return tmux.OpenSpec{Session: "t1-fix", Window: "agent", Dir: h.Dir, Argv: Program(), Task: "t1", Gen: 1}
}

func (h Harness) open(t *testing.T, spec tmux.OpenSpec) tmux.Pane {
	t.Helper()
	p, err := h.Terminal.Open(t.Context(), spec)
	if err != nil {
		t.Fatalf("open %s/%s: %v", spec.Session, spec.Window, err)
	}
	return p
}

// look gives the pane as it is now.
func (h Harness) look(t *testing.T, id tmux.PaneID) tmux.Pane {
	t.Helper()
	p, err := h.Terminal.Pane(t.Context(), id)
	if err != nil {
		t.Fatalf("look at %s: %v", id, err)
	}
	return p
}

func (h Harness) awaitDead(t *testing.T, id tmux.PaneID) {
	t.Helper()
	Eventually(t, "the pane is dead", func() bool { return h.look(t, id).Dead })
}

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func testOpen(t *testing.T, h Harness) {
	got := h.open(t, h.spec())
	if got.PID <= 0 || got.Dead || got.Columns != 120 || got.Rows != 40 {
		t.Errorf("opened pane: got %+v, want a living one of 120x40", got)
	}
	if got.Task != "t1" || got.Gen != 1 || got.Role != "agent" || got.SessionName != "t1-fix" || got.WindowName != "agent" {
		t.Errorf("marks: got %+v, want t1, 1, agent in t1-fix", got)
	}
	if again := h.look(t, got.ID); again != got {
		t.Errorf("looked at again:\n got %+v\nwant %+v", again, got)
	}
	panes, err := h.Terminal.Panes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, p := range panes {
		if p == got {
			found++
		}
	}
	if found != 1 {
		t.Errorf("listed %d times, want once: %+v", found, panes)
	}
}

func testDuplicate(t *testing.T, h Harness) {
	first := h.open(t, h.spec())
	spec := h.spec()
	spec.Gen = 2
	second, err := h.Terminal.Open(t.Context(), spec)
	wantErr(t, "open again", err, tmux.ErrDuplicate)
	if second != first {
		t.Errorf("the pane in the way:\n got %+v\nwant %+v", second, first)
	}
	if got := h.look(t, first.ID); got != first {
		t.Errorf("the first after the second:\n got %+v\nwant %+v", got, first)
	}
}

func testSecondWindow(t *testing.T, h Harness) {
	agent := h.open(t, h.spec())
	spec := h.spec()
	spec.Window = "check"
	check := h.open(t, spec)
	if check.Session != agent.Session || check.Window == agent.Window || check.ID == agent.ID {
		t.Errorf("got %+v beside %+v, want another window of the same session", check, agent)
	}
	if got := h.look(t, check.ID); got.Role != "check" || got.WindowName != "check" || got.Task != "t1" {
		t.Errorf("marks of the second window: got %+v", got)
	}
	if got := h.look(t, agent.ID); got != agent {
		t.Errorf("the first window changed:\n got %+v\nwant %+v", got, agent)
	}
}

func testRespawn(t *testing.T, h Harness) {
	first := h.open(t, h.spec())
	h.Exit(t, first, 3)
	h.awaitDead(t, first.ID)
	spec := h.spec()
	spec.Gen = 2
	second := h.open(t, spec)
	if second.ID != first.ID || second.PID == first.PID || second.Dead || second.StatusKnown || second.Gen != 2 {
		t.Errorf("opened again:\n got %+v\nfrom %+v", second, first)
	}
	if got := h.look(t, first.ID); got != second {
		t.Errorf("looked at:\n got %+v\nwant %+v", got, second)
	}
}

func testExitStatus(t *testing.T, h Harness) {
	p := h.open(t, h.spec())
	if _, _, known, err := h.Terminal.ExitStatus(t.Context(), p.ID); known || err != nil {
		t.Errorf("alive: got known %v, err %v", known, err)
	}
	h.Exit(t, p, 7)
	h.awaitDead(t, p.ID)
	code, signal, known, err := h.Terminal.ExitStatus(t.Context(), p.ID)
	if code != 7 || signal != 0 || !known || err != nil {
		t.Errorf("got status %d signal %d known %v err %v, want 7 0 true nil", code, signal, known, err)
	}
}

func testSignal(t *testing.T, h Harness) {
	p := h.open(t, h.spec())
	h.Kill(t, p, 9)
	h.awaitDead(t, p.ID)
	code, signal, known, err := h.Terminal.ExitStatus(t.Context(), p.ID)
	if code != 0 || signal != 9 || !known || err != nil {
		t.Errorf("got status %d signal %d known %v err %v, want 0 9 true nil", code, signal, known, err)
	}
}

func testPaste(t *testing.T, h Harness) {
	p := h.open(t, h.spec())
	if err := h.Terminal.Paste(t.Context(), p.ID, "héllo; wörld #{pid}\x1b[31m"); err != nil {
		t.Fatal(err)
	}
	const want = "héllo; wörld #{pid}[31m"
	if got := h.look(t, p.ID); p.Pasted != "" || got.Pasted != want {
		t.Errorf("pasted: %q, and before %q", got.Pasted, p.Pasted)
	}
	if err := h.Terminal.Keys(t.Context(), p.ID, "Enter"); err != nil {
		t.Fatal(err)
	}
	Eventually(t, "the text is on the screen", func() bool {
		screen, err := h.Terminal.Capture(t.Context(), p.ID, 100)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(screen, want)
	})
	if err := h.Terminal.Paste(t.Context(), p.ID, "\x1b\x00"); fault.CodeOf(err) != fault.Usage {
		t.Errorf("paste of nothing: got %v, want a usage fault", err)
	}
}

func testDeadPane(t *testing.T, h Harness) {
	p := h.open(t, h.spec())
	h.Exit(t, p, 0)
	h.awaitDead(t, p.ID)
	wantErr(t, "paste", h.Terminal.Paste(t.Context(), p.ID, "x"), tmux.ErrDeadPane)
	wantErr(t, "keys", h.Terminal.Keys(t.Context(), p.ID, "Enter"), tmux.ErrDeadPane)
	if _, err := h.Terminal.Capture(t.Context(), p.ID, 10); err != nil {
		t.Errorf("capture of a dead pane: %v", err)
	}
}

func testCopyMode(t *testing.T, h Harness) {
	p := h.open(t, h.spec())
	h.Scroll(t, p)
	if got := h.look(t, p.ID); !got.InMode {
		t.Errorf("got %+v, want in mode", got)
	}
	wantErr(t, "paste", h.Terminal.Paste(t.Context(), p.ID, "x"), tmux.ErrInMode)
	wantErr(t, "keys", h.Terminal.Keys(t.Context(), p.ID, "Enter"), tmux.ErrInMode)
}

func testBadKeys(t *testing.T, h Harness) {
	p := h.open(t, h.spec())
	for _, k := range []string{"", "S-Enter", "Entr", "C-", "C-;", "rm -rf", "é", "\n", "-l"} {
		if err := h.Terminal.Keys(t.Context(), p.ID, k); fault.CodeOf(err) != fault.Usage {
			t.Errorf("key %q: got %v, want a usage fault", k, err)
		}
	}
	if err := h.Terminal.Keys(t.Context(), p.ID); fault.CodeOf(err) != fault.Usage {
		t.Errorf("no keys: got %v, want a usage fault", err)
	}
	for _, k := range []string{";", "'", "-", "#", "C-c"} {
		if err := h.Terminal.Keys(t.Context(), p.ID, k); err != nil {
			t.Errorf("key %q: %v", k, err)
		}
	}
}

func testGone(t *testing.T, h Harness) {
	p := h.open(t, h.spec())
	if err := h.Terminal.KillSession(t.Context(), string(p.Session)); err != nil {
		t.Fatal(err)
	}
	for _, id := range []tmux.PaneID{p.ID, "%999", "", "t1-fix", "%", "%1x"} {
		_, err := h.Terminal.Pane(t.Context(), id)
		wantErr(t, "pane "+string(id), err, tmux.ErrNoPane)
		_, _, _, err = h.Terminal.ExitStatus(t.Context(), id)
		wantErr(t, "exit status "+string(id), err, tmux.ErrNoPane)
		_, err = h.Terminal.Capture(t.Context(), id, 10)
		wantErr(t, "capture "+string(id), err, tmux.ErrNoPane)
		wantErr(t, "paste "+string(id), h.Terminal.Paste(t.Context(), id, "x"), tmux.ErrNoPane)
		wantErr(t, "keys "+string(id), h.Terminal.Keys(t.Context(), id, "Enter"), tmux.ErrNoPane)
	}
	for range 2 {
		if err := h.Terminal.KillSession(t.Context(), "t1-fix"); err != nil {
			t.Errorf("kill a session that is gone: %v", err)
		}
		if err := h.Terminal.KillWindow(t.Context(), p.Window); err != nil {
			t.Errorf("kill a window that is gone: %v", err)
		}
	}
	next := h.open(t, h.spec())
	if next.ID == p.ID || next.Window == p.Window || next.Session == p.Session {
		t.Errorf("ids were used again: %+v after %+v", next, p)
	}
}

func testExactNames(t *testing.T, h Harness) {
	spec := h.spec()
	spec.Session, spec.Task = "agent-1001", "t1001"
	long := h.open(t, spec)
	for _, name := range []string{"agent-1", "agent-100"} {
		if err := h.Terminal.KillSession(t.Context(), name); err != nil {
			t.Errorf("kill %s: %v", name, err)
		}
	}
	h.look(t, long.ID)
	spec.Session, spec.Task = "agent-1", "t1"
	short := h.open(t, spec)
	if short.Session == long.Session {
		t.Errorf("agent-1 was opened in agent-1001")
	}
	if err := h.Terminal.KillSession(t.Context(), "agent-1"); err != nil {
		t.Fatal(err)
	}
	h.look(t, long.ID)
	_, err := h.Terminal.Pane(t.Context(), short.ID)
	wantErr(t, "the killed one", err, tmux.ErrNoPane)
}

func testBadNames(t *testing.T, h Harness) {
	for _, name := range []string{"", "a.b", "a:b", "#(touch x)", "#{host}", "a b", "=a", "$1", "é", "a\nb", strings.Repeat("a", 201)} {
		spec := h.spec()
		spec.Session = name
		if _, err := h.Terminal.Open(t.Context(), spec); fault.CodeOf(err) != fault.Usage {
			t.Errorf("session %q: got %v, want a usage fault", name, err)
		}
		spec = h.spec()
		spec.Window = name
		if _, err := h.Terminal.Open(t.Context(), spec); fault.CodeOf(err) != fault.Usage {
			t.Errorf("window %q: got %v, want a usage fault", name, err)
		}
		if name == "$1" {
			continue // an id, for killing
		}
		if err := h.Terminal.KillSession(t.Context(), name); fault.CodeOf(err) != fault.Usage {
			t.Errorf("kill %q: got %v, want a usage fault", name, err)
		}
	}
	panes, err := h.Terminal.Panes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range panes {
		if p.Role != "hub" {
			t.Errorf("something was opened: %+v", p)
		}
	}
}

func testMissingDir(t *testing.T, h Harness) {
	spec := h.spec()
	spec.Dir = h.Dir + "/none"
	if _, err := h.Terminal.Open(t.Context(), spec); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("missing directory: got %v, want not found", err)
	}
	spec.Dir = "relative"
	if _, err := h.Terminal.Open(t.Context(), spec); fault.CodeOf(err) != fault.Usage {
		t.Errorf("relative directory: got %v, want a usage fault", err)
	}
	spec = h.spec()
	spec.Argv = nil
	if _, err := h.Terminal.Open(t.Context(), spec); fault.CodeOf(err) != fault.Usage {
		t.Errorf("no program: got %v, want a usage fault", err)
	}
}

// awaitEvent reads events until one of the kind comes.
func (h Harness) awaitEvent(t *testing.T, kind tmux.EventKind) tmux.Event {
	t.Helper()
	for {
		select {
		case e, open := <-h.Terminal.Events():
			if e.Kind == kind {
				return e
			}
			if !open {
				t.Fatalf("events ended before %s", kind)
			}
		case <-t.Context().Done():
			t.Fatalf("no event %s", kind)
		}
	}
}

func testEvents(t *testing.T, h Harness) {
	p := h.open(t, h.spec())
	h.awaitEvent(t, tmux.SessionsChanged)
	h.Scroll(t, p)
	if e := h.awaitEvent(t, tmux.ModeChanged); e.Pane != p.ID {
		t.Errorf("mode changed: got %+v, want pane %s", e, p.ID)
	}
	if err := h.Terminal.KillSession(t.Context(), "t1-fix"); err != nil {
		t.Fatal(err)
	}
	if e := h.awaitEvent(t, tmux.WindowClosed); e.Window != p.Window {
		t.Errorf("window closed: got %+v, want %s", e, p.Window)
	}
}

func testLost(t *testing.T, h Harness) {
	p := h.open(t, h.spec())
	h.Lose(t)
	select {
	case <-h.Terminal.Done():
	case <-t.Context().Done():
		t.Fatal("the loss was not noticed")
	}
	wantErr(t, "Err", h.Terminal.Err(), tmux.ErrDisconnected)
	if e := h.awaitEvent(t, tmux.Exit); e.Reason == "" {
		t.Error("exit without a reason")
	}
	if e, open := <-h.Terminal.Events(); open {
		t.Errorf("an event behind exit: %+v", e)
	}
	_, err := h.Terminal.Panes(t.Context())
	wantErr(t, "panes", err, tmux.ErrDisconnected)
	wantErr(t, "paste", h.Terminal.Paste(t.Context(), p.ID, "x"), tmux.ErrDisconnected)
	_, err = h.Terminal.Open(t.Context(), h.spec())
	wantErr(t, "open", err, tmux.ErrDisconnected)
	h.Terminal.Close()
}

func testClose(t *testing.T, h Harness) {
	h.open(t, h.spec())
	h.Terminal.Close()
	h.Terminal.Close()
	select {
	case <-h.Terminal.Done():
	default:
		t.Error("closed and not done")
	}
	if err := h.Terminal.Err(); err != nil {
		t.Errorf("Err after our own close: %v", err)
	}
	_, err := h.Terminal.Panes(t.Context())
	wantErr(t, "panes", err, tmux.ErrDisconnected)
}
