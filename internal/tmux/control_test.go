package tmux_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"muster/internal/fault"
	"muster/internal/testkit/await"
	"muster/internal/text"
	"muster/internal/tmux"
	"muster/internal/tmux/tmuxtest"
)

func TestWordsArriveAsTheyAre(t *testing.T) {
	t.Parallel()
	c, _, _ := tmuxtest.Connect(t)
	for _, v := range []string{
		"", " ", ";", "x;", `x\;`, "'", `"`, "''", `\`, `\n`, "$HOME", "${HOME}", "~", "~/x", "{", "}", "{ a }", "#", "#{pid}", "#(true)",
		"%1", "%if 1", "-x", "--", "a\nb", "\n", "a\n'b'\n", "\ttab\t", "é世🙂", "a # b", "a ; kill-server", "\n kill-server", "\x01", strings.Repeat("x", 100_000),
	} {
		do(t, c, "set-option", "-g", "--", "@odd", v)
		if got := strings.Join(do(t, c, "display-message", "-p", "#{@odd}"), "\n"); got != v {
			t.Errorf("sent %.80q, got %.80q", v, got)
		}
	}
}

func TestOnlyPlainCommandsAreSent(t *testing.T) {
	t.Parallel()
	c, _, _ := tmuxtest.Connect(t)
	for _, args := range [][]string{
		nil,
		{""},
		{" "},
		{"# x"},
		{"kill-server"},
		{"if-shell", "true", "list-panes"},
		{"source-file", "/dev/null"},
		{"run-shell", "sleep 5"},
		{"wait-for", "x"},
		{"list-panes ; list-panes"},
		{"if"},
		{"display-message", "-p", "a\x00b"},
	} {
		if _, err := c.Do(t.Context(), args...); fault.CodeOf(err) != fault.Usage {
			t.Errorf("%q: got %v, want a usage fault", args, err)
		}
	}
	if got := do(t, c, "display-message", "-p", "still in step"); len(got) != 1 || got[0] != "still in step" {
		t.Errorf("got %q", got)
	}
}

func TestRefusalsAreTyped(t *testing.T) {
	t.Parallel()
	c, _, dir := tmuxtest.Connect(t)
	p := open(t, c, dir, "t1", sleeper...)
	for _, x := range []struct {
		want error
		args []string
	}{
		{tmux.ErrNoPane, []string{"list-panes", "-t", "%999"}},
		{tmux.ErrNoTarget, []string{"kill-session", "-t", "=none"}},
		{tmux.ErrNoTarget, []string{"kill-window", "-t", "@999"}},
		{tmux.ErrDuplicate, []string{"new-session", "-d", "-s", "t1"}},
		{tmux.ErrDuplicate, []string{"respawn-pane", "-t", string(p.ID)}},
	} {
		_, err := c.Do(t.Context(), x.args...)
		if ce, ok := errors.AsType[*tmux.CommandError](err); !ok || !errors.Is(err, x.want) || ce.Command != x.args[0] {
			t.Errorf("%q: got %v, want %v", x.args, err, x.want)
		}
	}
}

func TestForgedGuardsOnAScreenChangeNothing(t *testing.T) {
	t.Parallel()
	c, _, dir := tmuxtest.Connect(t)
	forged := "%end 1 2 1\n%exit\n%begin 5 5 1\n%error 5 5 1\n%sessions-changed\n%end 5 5 1"
	p := open(t, c, dir, "t1", "sh", "-c", `printf '%s\n' "$1" ready; sleep 1000`, "sh", forged)
	await.Until(t, "the screen is written", func() bool {
		screen, err := c.Capture(t.Context(), p.ID, 0)
		if err != nil {
			t.Fatal(err)
		}
		return screen == forged+"\nready"
	})
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if screen, err := c.Capture(t.Context(), p.ID, 0); err != nil || screen != forged+"\nready" {
				t.Errorf("capture: %v %q", err, screen)
			}
		})
		wg.Go(func() {
			want := fmt.Sprint("reply ", i)
			if got, err := c.Do(t.Context(), "display-message", "-p", want); err != nil || len(got) != 1 || got[0] != want {
				t.Errorf("got %q %v, want %q", got, err, want)
			}
		})
	}
	wg.Wait()
}

func TestAThousandCallsAtOnceGetTheirOwnReplies(t *testing.T) {
	t.Parallel()
	c, _, _ := tmuxtest.Connect(t)
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() {
			if i%10 == 0 {
				if _, err := c.Do(t.Context(), "has-session", "-t", "=none"); !errors.Is(err, tmux.ErrNoTarget) {
					t.Errorf("call %d: got %v, want a refusal", i, err)
				}
				return
			}
			want := fmt.Sprint("reply ", i)
			got, err := c.Do(t.Context(), "display-message", "-p", want)
			if err != nil || len(got) != 1 || got[0] != want {
				t.Errorf("call %d: got %q %v", i, got, err)
			}
		})
	}
	wg.Wait()
}

func TestAStoppedServerCostsTheDeadlineAndNoMore(t *testing.T) {
	t.Parallel()
	c, s, _ := tmuxtest.Connect(t)
	stop(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := c.Do(ctx, "display-message", "-p", "late"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("control: got %v, want the deadline", err)
	}
	if _, err := s.Identity(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("one-shot: got %v, want the deadline", err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
	if err := syscall.Kill(c.Identity().PID, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		want := fmt.Sprint("reply ", i)
		if got := do(t, c, "display-message", "-p", want); len(got) != 1 || got[0] != want {
			t.Errorf("after SIGCONT: got %q, want %q", got, want)
		}
	}
}

// stop stops the server with SIGSTOP, and continues it when the test is over.
func stop(t *testing.T, c *tmux.Client) {
	t.Helper()
	pid := c.Identity().PID
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
}

func TestWhatAStoppedServerDoesNotReadIsBounded(t *testing.T) {
	t.Parallel()
	c, _, _ := tmuxtest.Connect(t)
	stop(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	var mu sync.Mutex
	busy := 0
	for range 40 {
		wg.Go(func() {
			_, err := c.Do(ctx, "display-message", "-p", strings.Repeat("x", 1<<20))
			mu.Lock()
			defer mu.Unlock()
			if errors.Is(err, tmux.ErrBusy) {
				busy++
				cancel()
			} else if ctx.Err() == nil {
				t.Errorf("got %v from a stopped server", err)
			}
		})
	}
	wg.Wait()
	if busy == 0 {
		t.Error("40 MB were queued for a server that reads nothing")
	}
	closed := make(chan struct{})
	go func() { defer close(closed); c.Close() }()
	select {
	case <-closed:
	case <-time.After(5 * time.Second):
		t.Fatal("close hangs on a stopped server")
	}
}

func TestAKilledServerIsNoticed(t *testing.T) {
	t.Parallel()
	c, s, _ := tmuxtest.Connect(t)
	if err := syscall.Kill(c.Identity().PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case <-c.Done():
	case <-time.After(5 * time.Second):
		t.Fatal("not noticed")
	}
	if err := c.Err(); !errors.Is(err, tmux.ErrDisconnected) || !strings.Contains(err.Error(), "server exited") {
		t.Errorf("got %v, want tmux's reason", err)
	}
	await.Until(t, "the socket is stale", func() bool {
		_, err := s.Identity(t.Context())
		return errors.Is(err, tmux.ErrNoServer)
	})
	if _, err := s.Connect(t.Context()); !errors.Is(err, tmux.ErrNoServer) {
		t.Errorf("connect: got %v, want ErrNoServer", err)
	}
}

func TestAClientThatWasDetachedIsReplaced(t *testing.T) {
	t.Parallel()
	c, s, dir := tmuxtest.Connect(t)
	p := open(t, c, dir, "t1", sleeper...)
	person(t, s, "detach-client", "-s", "="+tmuxtest.HubSession)
	select {
	case <-c.Done():
	case <-time.After(5 * time.Second):
		t.Fatal("not noticed")
	}
	if !errors.Is(c.Err(), tmux.ErrDisconnected) {
		t.Errorf("got %v", c.Err())
	}
	again, err := s.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if got := pane(t, again, p.ID); got != p {
		t.Errorf("the pane changed: got %+v, want %+v", got, p)
	}
}

// person runs a tmux command as a separate client, as a person would.
func person(t testing.TB, s *tmux.Server, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "tmux", append([]string{"-u", "-S", s.Socket()}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// clients returns the process ids of the server's clients.
func clients(t testing.TB, s *tmux.Server) []string {
	t.Helper()
	return strings.Fields(person(t, s, "list-clients", "-F", "#{client_pid}"))
}

func TestCloseLeavesNoClient(t *testing.T) {
	t.Parallel()
	c, s, _ := tmuxtest.Connect(t)
	if got := clients(t, s); len(got) != 1 {
		t.Fatalf("clients while connected: %q, want one", got)
	}
	c.Close()
	await.Until(t, "no client is left", func() bool { return len(clients(t, s)) == 0 })
}

func TestAKilledParentLeavesNoClient(t *testing.T) {
	t.Parallel()
	s, dir := tmuxtest.NewServer(t)
	if _, err := s.Start(t.Context(), tmuxtest.Hub(dir)); err != nil {
		t.Fatal(err)
	}
	parent := exec.CommandContext(t.Context(), os.Args[0])
	parent.Env = append(tmuxtest.Env(dir), parentOf+"="+s.Socket())
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	word := make([]byte, 9)
	if _, err := out.Read(word); err != nil || string(word) != "connected" {
		t.Errorf("the parent said %q, %v", word, err)
	}
	if got := clients(t, s); len(got) != 1 {
		t.Errorf("clients of the living parent: %q, want one", got)
	}
	_ = parent.Process.Kill()
	_ = parent.Wait() // it was killed
	await.Until(t, "no client is left", func() bool { return len(clients(t, s)) == 0 })
}

func TestTextCannotLeaveThePaste(t *testing.T) {
	t.Parallel()
	c, _, dir := tmuxtest.Connect(t)
	file := filepath.Join(dir, "got")
	// The program sets its terminal up as agents do: raw, with bracketed paste.
	p := open(t, c, dir, "t1", "sh", "-c", `stty raw -echo; printf '\033[?2004hready'; exec cat >"$1"`, "sh", file)
	await.Until(t, "the program is ready", func() bool {
		screen, err := c.Capture(t.Context(), p.ID, 0)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(screen, "ready")
	})
	long := strings.Repeat("line with words; 'quotes' and $things\n", 6000)
	words := "a\x1b[201~rm -rf /\r\u009b201~\x9b201~\x03\x04" + long + "end"
	if err := c.Paste(t.Context(), p.ID, words); err != nil {
		t.Fatal(err)
	}
	if err := c.Keys(t.Context(), p.ID, "Enter"); err != nil {
		t.Fatal(err)
	}
	want := "\x1b[200~" + text.Paste(words) + "\x1b[201~\r"
	got := content(t, file, func(s string) bool { return strings.HasSuffix(s, "~\r") })
	if got != want {
		t.Errorf("got %d bytes %.60q…, want %d bytes %.60q…", len(got), got, len(want), want)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(file), "paste-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("files left: %q %v", left, err)
	}
	if got := do(t, c, "list-buffers"); len(got) != 0 {
		t.Errorf("buffers left: %q", got)
	}
}

func TestAPasteThatMeetsADeathSparesTheServer(t *testing.T) {
	t.Parallel()
	c, _, dir := tmuxtest.Connect(t)
	for i := range 20 {
		p := open(t, c, dir, fmt.Sprint("t", i), sleeper...)
		if err := syscall.Kill(p.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if err := c.Paste(t.Context(), p.ID, "hello"); err != nil && !errors.Is(err, tmux.ErrDeadPane) {
			t.Fatalf("paste %d: %v", i, err)
		}
	}
	if got := do(t, c, "list-buffers"); len(got) != 0 {
		t.Errorf("buffers left: %q", got)
	}
}

func TestKeysDoNotReachPanesThatAPersonTied(t *testing.T) {
	t.Parallel()
	c, s, dir := tmuxtest.Connect(t)
	p := open(t, c, dir, "t1", sleeper...)
	person(t, s, "split-window", "-t", "=t1:", "sleep 1000")
	person(t, s, "set-option", "-w", "-t", "=t1:", "synchronize-panes", "on")
	if err := c.Keys(t.Context(), p.ID, "Enter"); !errors.Is(err, tmux.ErrInMode) {
		t.Errorf("got %v, want ErrInMode", err)
	}
}

func TestAPromptOfADeadProcessIsRemoved(t *testing.T) {
	t.Parallel()
	s, dir := tmuxtest.NewServer(t)
	ended := exec.CommandContext(t.Context(), "true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(dir, fmt.Sprintf("paste-m%d_7", ended.Process.Pid))
	ours := filepath.Join(dir, fmt.Sprintf("paste-m%d_7", os.Getpid()))
	for _, f := range []string{old, ours} {
		if err := os.WriteFile(f, []byte("prompt"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Start(t.Context(), tmuxtest.Hub(dir)); err != nil {
		t.Fatal(err)
	}
	c, err := s.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("the file of a dead process is still there: %v", err)
	}
	if _, err := os.Stat(ours); err != nil {
		t.Errorf("the file of a living process is gone: %v", err)
	}
}
