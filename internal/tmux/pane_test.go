package tmux_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/testkit/await"
	"muster/internal/tmux"
	"muster/internal/tmux/tmuxtest"
)

func itoa(n int) string { return strconv.Itoa(n) }

func TestEveryKilledProcessGetsItsSignal(t *testing.T) {
	t.Parallel()
	c, _, dir := tmuxtest.Connect(t)
	for i := range 30 {
		p := open(t, c, dir, fmt.Sprint("t", i), sleeper...)
		if err := syscall.Kill(p.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		await.Until(t, "the kernel has ended it", func() bool { return gone(p.PID) })
		code, signal, known, err := c.ExitStatus(t.Context(), p.ID)
		if code != 0 || signal != 9 || !known || err != nil {
			t.Errorf("%d: got status %d signal %d known %v err %v, want signal 9", i, code, signal, known, err)
		}
	}
}

func TestAProgramWithoutItsTerminalIsNotTakenForEnded(t *testing.T) {
	t.Parallel()
	c, _, dir := tmuxtest.Connect(t)
	p := open(t, c, dir, "t1", "sh", "-c", "trap '' HUP; exec sleep 1000 </dev/null >/dev/null 2>&1")
	t.Cleanup(func() { _ = syscall.Kill(p.PID, syscall.SIGKILL) }) // it does not react to SIGHUP
	await.Until(t, "tmux takes the pane for dead", func() bool { return pane(t, c, p.ID).Dead })
	if _, _, known, err := c.ExitStatus(t.Context(), p.ID); known || err != nil {
		t.Errorf("got known %v, err %v, want unknown", known, err)
	}
	_, err := c.Open(t.Context(), tmux.OpenSpec{Session: "t1", Window: "agent", Dir: dir, Argv: sleeper, Task: "t1", Gen: 2})
	if !errors.Is(err, tmux.ErrDuplicate) {
		t.Errorf("opened beside a living program: %v, want ErrDuplicate", err)
	}
}

func TestArgvReachesTheProgramAsItIs(t *testing.T) {
	t.Parallel()
	c, s, dir := tmuxtest.Connect(t)
	odd := []string{"", " ", ";", "x;", "'", `"`, `\`, "$HOME", "~", "#{pid}", "#(touch no)", "a\nb", "\t", "é", "%1", "-x", "--", "{", strings.Repeat("x", 50_000)}
	const script = `for a; do printf '%s\000' "$a"; done >"$0.part"; mv "$0.part" "$0"; exec sleep 1000`
	want := strings.Join(odd, "\x00") + "\x00"
	whole := func(string) bool { return true }

	file := filepath.Join(dir, "open")
	open(t, c, dir, "t1", append([]string{"sh", "-c", script, file}, odd...)...)
	if got := content(t, file, whole); got != want {
		t.Errorf("open: got %.200q, want %.200q", got, want)
	}

	// The hub's argv passes through a tmux command line, whose limit is lower.
	odd = odd[:len(odd)-1]
	want = strings.Join(odd, "\x00") + "\x00"
	file = filepath.Join(dir, "hub")
	person(t, s, "kill-session", "-t", "=hub")
	spec := tmuxtest.Hub(dir)
	spec.Argv = append([]string{"sh", "-c", script, file}, odd...)
	if _, err := s.Start(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	if got := content(t, file, whole); got != want {
		t.Errorf("hub: got %.200q, want %.200q", got, want)
	}
}

func TestASingleWordIsAProgramAndNoShellLine(t *testing.T) {
	t.Parallel()
	c, _, dir := tmuxtest.Connect(t)
	name := filepath.Join(dir, "a 'b' $(touch no); c")
	script := "#!/bin/sh\necho here >\"$0.out\"\nexec sleep 1000\n"
	if err := os.WriteFile(name, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	p := open(t, c, dir, "t1", name)
	content(t, name+".out", func(s string) bool { return s == "here\n" })
	if got := pane(t, c, p.ID); got.Dead {
		t.Errorf("it ended: %+v", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "no")); err == nil {
		t.Error("a shell ran what stood in the name")
	}
}

func TestADirectoryIsTakenLiterally(t *testing.T) {
	t.Parallel()
	c, _, base := tmuxtest.Connect(t)
	dir := filepath.Join(base, "#{pid} #(touch no) ; 'x' é #[a ##[b ## #")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for i, window := range []string{"agent", "check"} { // a new session, then a new window
		spec := tmux.OpenSpec{
			Session: "t1", Window: window, Dir: dir, Task: "t1", Gen: 1,
			Argv: []string{"sh", "-c", `pwd -P >"$0"; exec sleep 1000`, filepath.Join(base, window)},
		}
		if _, err := c.Open(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		got := content(t, filepath.Join(base, window), func(s string) bool { return strings.HasSuffix(s, "\n") })
		if real, _ := filepath.EvalSymlinks(dir); got != real+"\n" {
			t.Errorf("%d: started in %q, want %q", i, got, dir)
		}
	}
	if _, err := os.Stat(filepath.Join(base, "no")); err == nil {
		t.Error("the name of a directory ran a command")
	}
}

func TestTheEnvironmentOfPanesIsClean(t *testing.T) {
	t.Parallel()
	c, _, dir := tmuxtest.Connect(t)
	if os.Getenv(leak) == "" {
		t.Fatal("nothing to leak")
	}
	spec := tmux.OpenSpec{
		Session: "t1", Window: "agent", Dir: dir, Task: "t1", Gen: 1, Env: []string{"MINE=a b'c;\n#{pid}", "GEN=1"},
	}
	environment := func(window string) map[string]string {
		file := filepath.Join(dir, window+itoa(spec.Gen))
		spec.Window = window
		spec.Argv = []string{"sh", "-c", `env -0 >"$0.part"; mv "$0.part" "$0"; exec sleep 1000`, file}
		if _, err := c.Open(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		vars := map[string]string{}
		for kv := range strings.SplitSeq(content(t, file, func(string) bool { return true }), "\x00") {
			if name, value, ok := strings.Cut(kv, "="); ok {
				vars[name] = value
			}
		}
		return vars
	}
	expected := map[string]bool{
		"HOME": true, "PATH": true, "LANG": true, "SHELL": true, "ENV": true, "TERM": true, "TMUX": true, "TMUX_PANE": true,
		"TERM_PROGRAM": true, "TERM_PROGRAM_VERSION": true, "COLORTERM": true, "PWD": true, "OLDPWD": true, "SHLVL": true, "_": true,
	}
	agent := environment("agent")
	if agent["MINE"] != "a b'c;\n#{pid}" || agent["GEN"] != "1" {
		t.Errorf("its own variables: got %q %q", agent["MINE"], agent["GEN"])
	}
	for name := range agent {
		if !expected[name] && name != "MINE" && name != "GEN" {
			t.Errorf("%s leaked into a pane", name)
		}
	}
	spec.Env = nil
	for name := range environment("check") {
		if !expected[name] {
			t.Errorf("%s of another window leaked into the second", name)
		}
	}
}

func TestTwoOpensAtOnceMakeOneWindow(t *testing.T) {
	t.Parallel()
	c, _, dir := tmuxtest.Connect(t)
	open(t, c, dir, "t1", sleeper...)
	for _, session := range []string{"t2", "t1"} { // with a session to create, and with one that exists
		var wg sync.WaitGroup
		var mu sync.Mutex
		made := 0
		for range 10 {
			wg.Go(func() {
				_, err := c.Open(t.Context(), tmux.OpenSpec{
					Session: session, Window: "check", Dir: dir, Argv: sleeper, Task: session, Gen: 1,
				})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					made++
				} else if !errors.Is(err, tmux.ErrDuplicate) {
					t.Errorf("got %v", err)
				}
			})
		}
		wg.Wait()
		if made != 1 {
			t.Errorf("%s: %d windows were made, want 1", session, made)
		}
	}
}

func TestWhatAPersonHasOnTheServerIsLeftAlone(t *testing.T) {
	t.Parallel()
	c, s, dir := tmuxtest.Connect(t)
	p := open(t, c, dir, "t1-a", sleeper...)
	person(t, s, "new-session", "-d", "-s", "my own", "-x", "77", "-y", "22", "sleep 1000")
	person(t, s, "new-window", "-t", "=t1-a:", "-n", "agent", "sleep 1000")
	person(t, s, "split-window", "-t", "=t1-a:0", "sleep 1000")
	person(t, s, "rename-window", "-t", "=t1-a:0", "odd\tname")
	person(t, s, "rename-session", "-t", "=t1-a", "renamed: it")
	person(t, s, "set-option", "-p", "-t", "=my own:", "@muster_task", "zz\n%9\t@9")
	person(t, s, "new-session", "-d", "-t", "=renamed_ it", "-s", "group")
	if err := c.FitWindows(t.Context()); err != nil {
		t.Fatal(err)
	}
	panes, err := c.Panes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[tmux.PaneID]int{}
	roles := map[string]int{}
	for _, q := range panes {
		seen[q.ID]++
		roles[q.Role]++
		if q.SessionName == "my own" && (q.Columns != 77 || q.Task != "") {
			t.Errorf("a person's window changed: %+v", q)
		}
	}
	if d := cmp.Diff(map[string]int{"hub": 1, "agent": 1, "": 3}, roles); d != "" {
		t.Errorf("roles (-want +got):\n%s in %+v", d, panes)
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("pane %s is listed %d times", id, n)
		}
	}
	if got := pane(t, c, p.ID); got.PID != p.PID || got.Task != "t1-a" || got.Role != "agent" {
		t.Errorf("ours is not found after a rename: %+v", got)
	}
	_, err = c.Open(t.Context(), tmux.OpenSpec{Session: "group", Window: "agent", Dir: dir, Argv: sleeper, Task: "t1-a", Gen: 2})
	if !errors.Is(err, tmux.ErrDuplicate) {
		t.Errorf("opened beside a pane that was renamed: %v", err)
	}
}

func TestAWindowFitsThePersonAndReturns(t *testing.T) {
	t.Parallel()
	c, s, dir := tmuxtest.Connect(t)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		for {
			select {
			case e := <-c.Events():
				if err := c.Resize(ctx, e); err != nil && ctx.Err() == nil {
					t.Errorf("manners: %v", err)
				}
			case <-ctx.Done():
				return
			}
		}
	})
	p := open(t, c, dir, "t1", sleeper...)
	// A second server provides the terminals of two people.
	desk, _, _ := tmuxtest.Connect(t, func(cfg *tmux.Config) { cfg.Columns, cfg.Rows = 60, 15 })
	sit := func(name string) tmux.Pane {
		return open(t, desk, dir, name, append([]string{"env", "-u", "TMUX"}, s.AttachArgv("t1", false)...)...)
	}
	size := func(what string, columns, rows, attached int) {
		t.Helper()
		await.Until(t, fmt.Sprintf("%s: %dx%d, %d attached", what, columns, rows, attached), func() bool {
			got := pane(t, c, p.ID)
			return got.Columns == columns && got.Rows == rows && got.Attached == attached
		})
	}
	leave := func(seat tmux.Pane) {
		t.Helper()
		for _, k := range []string{"C-b", "d"} {
			if err := desk.Keys(t.Context(), seat.ID, k); err != nil {
				t.Fatal(err)
			}
		}
	}
	first := sit("first")
	size("one came", 60, 14, 1)
	screen := ""
	await.Until(t, "the status line says which task and how to leave", func() bool {
		var err error
		if screen, err = desk.Capture(t.Context(), first.ID, 0); err != nil {
			t.Fatal(err)
		}
		return strings.Contains(screen, " t1 ") && strings.Contains(screen, "C-b d")
	})
	second := sit("second")
	size("two are there", 60, 14, 2)
	leave(first)
	size("one left", 60, 14, 1)
	if err := syscall.Kill(second.PID, syscall.SIGKILL); err != nil { // like a terminal that is closed
		t.Fatal(err)
	}
	size("nobody is left", 120, 40, 0)
	third := sit("third")
	size("one came again", 60, 14, 1)
	leave(third)
	size("and left", 120, 40, 0)
	if got := do(t, c, "display-message", "-p", "-t", string(p.ID), "#{window-size}"); got[0] != "manual" {
		t.Errorf("window-size %q, want manual", got)
	}
}

func TestResize_IsNeededForTheSizeToChange(t *testing.T) {
	t.Parallel()
	c, s, dir := tmuxtest.Connect(t)
	p := open(t, c, dir, "t1", sleeper...)
	spec := tmux.OpenSpec{Session: "t1", Window: "check", Dir: dir, Argv: sleeper, Task: "t1", Gen: 1}
	check, err := c.Open(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	desk, _, _ := tmuxtest.Connect(t, func(cfg *tmux.Config) { cfg.Columns, cfg.Rows = 60, 15 })
	open(t, desk, dir, "seat", append([]string{"env", "-u", "TMUX"}, s.AttachArgv("t1", true)...)...)
	await.Until(t, "somebody is there", func() bool { return pane(t, c, p.ID).Attached == 1 })
	for _, id := range []tmux.PaneID{p.ID, check.ID} {
		if got := pane(t, c, id); got.Columns != 120 || got.Rows != 40 {
			t.Errorf("the size changed with nobody to change it back: %+v", got)
		}
	}
	// The next supervisor fits the windows.
	if err := c.FitWindows(t.Context()); err != nil {
		t.Fatal(err)
	}
	await.Until(t, "the window fits", func() bool { return pane(t, c, p.ID).Columns == 60 })
}

func TestScrollbackIsKeptOverARestart(t *testing.T) {
	t.Parallel()
	c, _, dir := tmuxtest.Connect(t)
	p := open(t, c, dir, "t1", "sh", "-c", "seq 1 200")
	await.Until(t, "it ended", func() bool {
		_, _, known, err := c.ExitStatus(t.Context(), p.ID)
		if err != nil {
			t.Fatal(err)
		}
		return known && pane(t, c, p.ID).Dead // the server may know the status before it has read the last output
	})
	screen, err := c.Capture(t.Context(), p.ID, 0)
	if err != nil || !strings.HasSuffix(screen, "199\n200") || strings.Contains(screen, "\n100\n") {
		t.Errorf("last screen: %v %q", err, screen)
	}
	open(t, c, dir, "t1", "sh", "-c", "echo again; exec sleep 1000")
	await.Until(t, "it runs again with the scrollback of before", func() bool {
		all, err := c.Capture(t.Context(), p.ID, 1000)
		if err != nil {
			t.Fatal(err)
		}
		return strings.HasPrefix(all, "1\n2\n") && strings.HasSuffix(all, "again")
	})
}
