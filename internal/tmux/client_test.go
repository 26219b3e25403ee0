package tmux_test

import (
	"errors"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"muster/internal/fault"
	"muster/internal/testkit/await"
	"muster/internal/tmux"
	"muster/internal/tmux/tmuxtest"
)

// harness is a client of a fresh server, with methods that act on the server from outside.
type harness struct {
	*tmux.Client
	dir string // a directory that exists
}

// echo is the program that these tests run in panes: it shows its input, and exits with status N on "exit N".
func echo() []string {
	return []string{"sh", "-c", `while read -r line; do case "$line" in "exit "*) exit "${line#exit }";; esac; done`}
}

// exit makes the program of a pane exit with a status.
func (h harness) exit(t *testing.T, p tmux.Pane, code int) {
	t.Helper()
	if err := h.Paste(t.Context(), p.ID, "exit "+strconv.Itoa(code)); err != nil {
		t.Fatal(err)
	}
	if err := h.Keys(t.Context(), p.ID, "Enter"); err != nil {
		t.Fatal(err)
	}
}

// scroll puts a pane into copy mode.
func (h harness) scroll(t *testing.T, p tmux.Pane) {
	t.Helper()
	do(t, h.Client, "copy-mode", "-t", string(p.ID))
}

// kill sends a signal to a process.
func (h harness) kill(t *testing.T, pid int, signal syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, signal); err != nil {
		t.Fatal(err)
	}
}

func TestClient(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		test func(*testing.T, harness)
	}{
		{"an opened pane has its options, is listed and is alive", testOpen},
		{"opening a living window again returns ErrDuplicate", testDuplicate},
		{"a session takes a second window", testSecondWindow},
		{"a dead window is respawned", testRespawn},
		{"the exit status is known only after the end", testExitStatus},
		{"a signal is distinguished from an exit status", testSignal},
		{"pasted text appears on the screen", testPaste},
		{"nothing is sent to a dead pane", testDeadPane},
		{"nothing is sent to a pane in copy mode", testCopyMode},
		{"an unknown key is rejected", testBadKeys},
		{"a closed pane is not found", testGone},
		{"names match exactly", testExactNames},
		{"names that tmux would expand are rejected", testBadNames},
		{"a window is not opened in a missing directory", testMissingDir},
		{"events report new sessions, copy mode and closed windows", testEvents},
		{"a lost server ends the client", testLost},
		{"Close may be called twice", testClose},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client, _, dir := tmuxtest.Connect(t)
			c.test(t, harness{client, dir})
		})
	}
}

// spec is the window that most tests open.
func (h harness) spec() tmux.OpenSpec {
	return tmux.OpenSpec{Session: "t1-fix", Window: "agent", Dir: h.dir, Argv: echo(), Task: "t1", Gen: 1}
}

func (h harness) open(t *testing.T, spec tmux.OpenSpec) tmux.Pane {
	t.Helper()
	p, err := h.Open(t.Context(), spec)
	if err != nil {
		t.Fatalf("open %s/%s: %v", spec.Session, spec.Window, err)
	}
	return p
}

// look returns the present state of the pane.
func (h harness) look(t *testing.T, id tmux.PaneID) tmux.Pane {
	t.Helper()
	p, err := h.Pane(t.Context(), id)
	if err != nil {
		t.Fatalf("look at %s: %v", id, err)
	}
	return p
}

func (h harness) awaitDead(t *testing.T, id tmux.PaneID) {
	t.Helper()
	await.Until(t, "the pane is dead", func() bool { return h.look(t, id).Dead })
}

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func testOpen(t *testing.T, h harness) {
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
	panes, err := h.Panes(t.Context())
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

func testDuplicate(t *testing.T, h harness) {
	first := h.open(t, h.spec())
	spec := h.spec()
	spec.Gen = 2
	second, err := h.Open(t.Context(), spec)
	wantErr(t, "open again", err, tmux.ErrDuplicate)
	if second != first {
		t.Errorf("the pane in the way:\n got %+v\nwant %+v", second, first)
	}
	if got := h.look(t, first.ID); got != first {
		t.Errorf("the first after the second:\n got %+v\nwant %+v", got, first)
	}
}

func testSecondWindow(t *testing.T, h harness) {
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

func testRespawn(t *testing.T, h harness) {
	first := h.open(t, h.spec())
	h.exit(t, first, 3)
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

func testExitStatus(t *testing.T, h harness) {
	p := h.open(t, h.spec())
	if _, _, known, err := h.ExitStatus(t.Context(), p.ID); known || err != nil {
		t.Errorf("alive: got known %v, err %v", known, err)
	}
	h.exit(t, p, 7)
	h.awaitDead(t, p.ID)
	code, signal, known, err := h.ExitStatus(t.Context(), p.ID)
	if code != 7 || signal != 0 || !known || err != nil {
		t.Errorf("got status %d signal %d known %v err %v, want 7 0 true nil", code, signal, known, err)
	}
}

func testSignal(t *testing.T, h harness) {
	p := h.open(t, h.spec())
	h.kill(t, p.PID, syscall.SIGKILL)
	h.awaitDead(t, p.ID)
	code, signal, known, err := h.ExitStatus(t.Context(), p.ID)
	if code != 0 || signal != 9 || !known || err != nil {
		t.Errorf("got status %d signal %d known %v err %v, want 0 9 true nil", code, signal, known, err)
	}
}

func testPaste(t *testing.T, h harness) {
	p := h.open(t, h.spec())
	if err := h.Paste(t.Context(), p.ID, "héllo; wörld #{pid}\x1b[31m"); err != nil {
		t.Fatal(err)
	}
	const want = "héllo; wörld #{pid}"
	if got := h.look(t, p.ID); p.Pasted != "" || got.Pasted != want {
		t.Errorf("pasted: %q, and before %q", got.Pasted, p.Pasted)
	}
	if err := h.Keys(t.Context(), p.ID, "Enter"); err != nil {
		t.Fatal(err)
	}
	await.Until(t, "the text is on the screen", func() bool {
		screen, err := h.Capture(t.Context(), p.ID, 100)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(screen, want)
	})
	if err := h.Paste(t.Context(), p.ID, "first, ", "\x00", "second"); err != nil {
		t.Fatal(err)
	}
	if got := h.look(t, p.ID); got.Pasted != "first, " {
		t.Errorf("of two texts %q is kept, want the beginning of the first", got.Pasted)
	}
	if err := h.Keys(t.Context(), p.ID, "Enter"); err != nil {
		t.Fatal(err)
	}
	await.Until(t, "both texts are on the screen", func() bool {
		screen, err := h.Capture(t.Context(), p.ID, 100)
		return err == nil && strings.Contains(screen, "first, second")
	})
	if err := h.Paste(t.Context(), p.ID, "\x1b\x00"); fault.CodeOf(err) != fault.Usage {
		t.Errorf("paste of nothing: got %v, want a usage fault", err)
	}
}

func testDeadPane(t *testing.T, h harness) {
	p := h.open(t, h.spec())
	h.exit(t, p, 0)
	h.awaitDead(t, p.ID)
	wantErr(t, "paste", h.Paste(t.Context(), p.ID, "x"), tmux.ErrDeadPane)
	wantErr(t, "keys", h.Keys(t.Context(), p.ID, "Enter"), tmux.ErrDeadPane)
	if _, err := h.Capture(t.Context(), p.ID, 10); err != nil {
		t.Errorf("capture of a dead pane: %v", err)
	}
}

func testCopyMode(t *testing.T, h harness) {
	p := h.open(t, h.spec())
	h.scroll(t, p)
	if got := h.look(t, p.ID); !got.InMode {
		t.Errorf("got %+v, want in mode", got)
	}
	wantErr(t, "paste", h.Paste(t.Context(), p.ID, "x"), tmux.ErrInMode)
	wantErr(t, "keys", h.Keys(t.Context(), p.ID, "Enter"), tmux.ErrInMode)
}

func testBadKeys(t *testing.T, h harness) {
	p := h.open(t, h.spec())
	for _, k := range []string{"", "S-Enter", "Entr", "C-", "C-;", "rm -rf", "é", "\n", "-l"} {
		if err := h.Keys(t.Context(), p.ID, k); fault.CodeOf(err) != fault.Usage {
			t.Errorf("key %q: got %v, want a usage fault", k, err)
		}
	}
	if err := h.Keys(t.Context(), p.ID); fault.CodeOf(err) != fault.Usage {
		t.Errorf("no keys: got %v, want a usage fault", err)
	}
	for _, k := range []string{";", "'", "-", "#", "C-c"} {
		if err := h.Keys(t.Context(), p.ID, k); err != nil {
			t.Errorf("key %q: %v", k, err)
		}
	}
}

func testGone(t *testing.T, h harness) {
	p := h.open(t, h.spec())
	if err := h.KillSession(t.Context(), string(p.Session)); err != nil {
		t.Fatal(err)
	}
	for _, id := range []tmux.PaneID{p.ID, "%999", "", "t1-fix", "%", "%1x"} {
		_, err := h.Pane(t.Context(), id)
		wantErr(t, "pane "+string(id), err, tmux.ErrNoPane)
		_, _, _, err = h.ExitStatus(t.Context(), id)
		wantErr(t, "exit status "+string(id), err, tmux.ErrNoPane)
		_, err = h.Capture(t.Context(), id, 10)
		wantErr(t, "capture "+string(id), err, tmux.ErrNoPane)
		wantErr(t, "paste "+string(id), h.Paste(t.Context(), id, "x"), tmux.ErrNoPane)
		wantErr(t, "keys "+string(id), h.Keys(t.Context(), id, "Enter"), tmux.ErrNoPane)
	}
	for range 2 {
		if err := h.KillSession(t.Context(), "t1-fix"); err != nil {
			t.Errorf("kill a session that is gone: %v", err)
		}
	}
	next := h.open(t, h.spec())
	if next.ID == p.ID || next.Window == p.Window || next.Session == p.Session {
		t.Errorf("ids were used again: %+v after %+v", next, p)
	}
}

func testExactNames(t *testing.T, h harness) {
	spec := h.spec()
	spec.Session, spec.Task = "agent-1001", "t1001"
	long := h.open(t, spec)
	for _, name := range []string{"agent-1", "agent-100"} {
		if err := h.KillSession(t.Context(), name); err != nil {
			t.Errorf("kill %s: %v", name, err)
		}
	}
	h.look(t, long.ID)
	spec.Session, spec.Task = "agent-1", "t1"
	short := h.open(t, spec)
	if short.Session == long.Session {
		t.Errorf("agent-1 was opened in agent-1001")
	}
	if err := h.KillSession(t.Context(), "agent-1"); err != nil {
		t.Fatal(err)
	}
	h.look(t, long.ID)
	_, err := h.Pane(t.Context(), short.ID)
	wantErr(t, "the killed one", err, tmux.ErrNoPane)
}

func testBadNames(t *testing.T, h harness) {
	for _, name := range []string{"", "a.b", "a:b", "#(touch x)", "#{host}", "a b", "=a", "$1", "é", "a\nb", strings.Repeat("a", 201)} {
		spec := h.spec()
		spec.Session = name
		if _, err := h.Open(t.Context(), spec); fault.CodeOf(err) != fault.Usage {
			t.Errorf("session %q: got %v, want a usage fault", name, err)
		}
		spec = h.spec()
		spec.Window = name
		if _, err := h.Open(t.Context(), spec); fault.CodeOf(err) != fault.Usage {
			t.Errorf("window %q: got %v, want a usage fault", name, err)
		}
		if name == "$1" {
			continue // valid as an id of a session to kill
		}
		if err := h.KillSession(t.Context(), name); fault.CodeOf(err) != fault.Usage {
			t.Errorf("kill %q: got %v, want a usage fault", name, err)
		}
	}
	panes, err := h.Panes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range panes {
		if p.Role != "hub" {
			t.Errorf("something was opened: %+v", p)
		}
	}
}

func testMissingDir(t *testing.T, h harness) {
	spec := h.spec()
	spec.Dir = h.dir + "/none"
	if _, err := h.Open(t.Context(), spec); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("missing directory: got %v, want not found", err)
	}
	spec.Dir = "relative"
	if _, err := h.Open(t.Context(), spec); fault.CodeOf(err) != fault.Usage {
		t.Errorf("relative directory: got %v, want a usage fault", err)
	}
	spec = h.spec()
	spec.Argv = nil
	if _, err := h.Open(t.Context(), spec); fault.CodeOf(err) != fault.Usage {
		t.Errorf("no program: got %v, want a usage fault", err)
	}
}

// awaitEvent reads events until one of the kind arrives.
func (h harness) awaitEvent(t *testing.T, kind tmux.EventKind) tmux.Event {
	t.Helper()
	for {
		select {
		case e, open := <-h.Events():
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

func testEvents(t *testing.T, h harness) {
	p := h.open(t, h.spec())
	h.awaitEvent(t, tmux.SessionsChanged)
	h.scroll(t, p)
	if e := h.awaitEvent(t, tmux.ModeChanged); e.Pane != p.ID {
		t.Errorf("mode changed: got %+v, want pane %s", e, p.ID)
	}
	if err := h.KillSession(t.Context(), "t1-fix"); err != nil {
		t.Fatal(err)
	}
	if e := h.awaitEvent(t, tmux.WindowClosed); e.Window != p.Window {
		t.Errorf("window closed: got %+v, want %s", e, p.Window)
	}
}

func testLost(t *testing.T, h harness) {
	p := h.open(t, h.spec())
	h.kill(t, h.Identity().PID, syscall.SIGKILL)
	select {
	case <-h.Done():
	case <-t.Context().Done():
		t.Fatal("the loss was not noticed")
	}
	wantErr(t, "Err", h.Err(), tmux.ErrDisconnected)
	if e := h.awaitEvent(t, tmux.Exit); e.Reason == "" {
		t.Error("exit without a reason")
	}
	if e, open := <-h.Events(); open {
		t.Errorf("an event behind exit: %+v", e)
	}
	_, err := h.Panes(t.Context())
	wantErr(t, "panes", err, tmux.ErrDisconnected)
	wantErr(t, "paste", h.Paste(t.Context(), p.ID, "x"), tmux.ErrDisconnected)
	_, err = h.Open(t.Context(), h.spec())
	wantErr(t, "open", err, tmux.ErrDisconnected)
	h.Close()
}

func testClose(t *testing.T, h harness) {
	h.open(t, h.spec())
	h.Close()
	h.Close()
	select {
	case <-h.Done():
	default:
		t.Error("closed and not done")
	}
	if err := h.Err(); err != nil {
		t.Errorf("Err after our own close: %v", err)
	}
	_, err := h.Panes(t.Context())
	wantErr(t, "panes", err, tmux.ErrDisconnected)
}
