package tmux_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"muster/internal/fault"
	"muster/internal/testkit/await"
	"muster/internal/tmux"
	"muster/internal/tmux/tmuxtest"
)

func TestManyStartsMakeOneServer(t *testing.T) {
	t.Parallel()
	_, dir := tmuxtest.NewServer(t)
	var wg sync.WaitGroup
	ids := make([]tmux.Identity, 8)
	for i := range ids {
		wg.Go(func() {
			s := tmux.New(tmux.Config{Socket: dir + "/s", ConfPath: dir + "/tmux.conf", Env: tmuxtest.Env(dir)})
			id, err := s.Start(t.Context(), tmuxtest.Hub(dir))
			if err != nil {
				t.Errorf("start %d: %v", i, err)
			}
			ids[i] = id
		})
	}
	wg.Wait()
	for i, id := range ids {
		if id != ids[0] || id.PID == 0 || time.Since(id.Started) > time.Minute {
			t.Errorf("start %d found %+v, the first %+v", i, id, ids[0])
		}
	}
	info, err := os.Stat(dir + "/tmux.conf")
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("configuration: %v %v, want 0600", info.Mode(), err)
	}
	if err := exitsOf(ids[0].PID); err != nil {
		t.Errorf("the server is gone: %v", err)
	}
}

// exitsOf returns nil if a process exists.
func exitsOf(pid int) error { return syscall.Kill(pid, 0) }

// TestALostSocketComesBack checks that a fleet survives a cleaner that deletes its old files.
func TestALostSocketComesBack(t *testing.T) {
	t.Parallel()
	s, dir := tmuxtest.NewServer(t)
	id, err := s.Start(t.Context(), tmuxtest.Hub(dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(s.Socket()); err != nil {
		t.Fatal(err)
	}
	other := tmux.New(tmux.Config{Socket: s.Socket(), ConfPath: dir + "/tmux.conf", Env: tmuxtest.Env(dir)})
	if got, err := other.Start(t.Context(), tmuxtest.Hub(dir)); err != nil || got != id {
		t.Errorf("start found %+v (%v), want %+v", got, err, id)
	}
	// A process that is not the server of this socket is never signalled, whatever the file contains.
	bystander := exec.Command("sleep", "60")
	if err := bystander.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = bystander.Process.Kill(); _ = bystander.Wait() }()
	if err := s.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/tmux.pid", []byte(strconv.Itoa(bystander.Process.Pid)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Identity(t.Context()); !errors.Is(err, tmux.ErrNoServer) {
		t.Errorf("identity of no server: %v", err)
	}
	if err := exitsOf(bystander.Process.Pid); err != nil {
		t.Errorf("a bystander was signalled: %v", err)
	}
}

func TestStartMendsTheHub(t *testing.T) {
	t.Parallel()
	c, s, dir := tmuxtest.Connect(t)
	hub := func() (found []tmux.Pane) {
		panes, err := c.Panes(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range panes {
			if p.Role == "hub" {
				found = append(found, p)
			}
		}
		return found
	}
	first := hub()[0]
	if first.SessionName != tmuxtest.HubSession || first.Attached != 0 {
		t.Errorf("hub: %+v, want nobody attached but us", first)
	}
	start := func() {
		if _, err := s.Start(t.Context(), tmuxtest.Hub(dir)); err != nil {
			t.Fatal(err)
		}
	}
	start()
	if got := hub(); len(got) != 1 || got[0] != first {
		t.Errorf("a second start changed the hub: %+v, was %+v", got, first)
	}
	if err := syscall.Kill(first.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await.Until(t, "the kernel has ended it", func() bool { return gone(first.PID) })
	if _, signal, _, err := c.ExitStatus(t.Context(), first.ID); signal != 9 || err != nil {
		t.Errorf("the hub's end: signal %d, %v", signal, err)
	}
	start()
	if got := hub(); len(got) != 1 || got[0].ID != first.ID || got[0].PID == first.PID || got[0].Dead {
		t.Errorf("a dead hub is not started again: %+v", got)
	}
	person(t, s, "new-window", "-t", "=hub:", "sleep 1000")
	person(t, s, "kill-pane", "-t", string(first.ID))
	start()
	if got := hub(); len(got) != 1 || got[0].ID == first.ID || got[0].SessionName != "hub" {
		t.Errorf("a killed hub pane is not made again: %+v", got)
	}
	person(t, s, "kill-session", "-t", "=hub")
	<-c.Done()
	if _, err := s.Connect(t.Context()); !errors.Is(err, tmux.ErrNoHub) {
		t.Errorf("connect without hub: got %v, want ErrNoHub", err)
	}
	start()
	again, err := s.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

func TestADeadHubIsWoken(t *testing.T) {
	t.Parallel()
	c, s, _ := tmuxtest.Connect(t)
	panes, err := c.Panes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	hub := panes[0]
	wake := func() tmux.Pane {
		t.Helper()
		if err := s.WakeHub(t.Context()); err != nil {
			t.Error(err)
		}
		return pane(t, c, hub.ID)
	}
	if got := wake(); got != hub {
		t.Errorf("a living hub changed: %+v, was %+v", got, hub)
	}
	if err := syscall.Kill(hub.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await.Until(t, "the hub is dead", func() bool { return pane(t, c, hub.ID).Dead })
	if got := wake(); got.Dead || got.PID == hub.PID || got.Role != "hub" {
		t.Errorf("a dead hub was not woken: %+v", got)
	}
	person(t, s, "kill-session", "-t", "=hub")
	if err := s.WakeHub(t.Context()); !errors.Is(err, tmux.ErrNoHub) {
		t.Errorf("no hub: got %v", err)
	}
	if err := s.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.WakeHub(t.Context()); !errors.Is(err, tmux.ErrNoServer) {
		t.Errorf("no server: got %v", err)
	}
}

func TestAServerStartsRightAfterTheEndOfAnother(t *testing.T) {
	t.Parallel()
	s, dir := tmuxtest.NewServer(t)
	last := 0
	for i := range 10 {
		id, err := s.Start(t.Context(), tmuxtest.Hub(dir))
		if err != nil {
			t.Fatalf("start %d: %v", i, err)
		}
		if id.PID == last {
			t.Errorf("start %d found the server that was ended", i)
		}
		last = id.PID
		person(t, s, "kill-server")
	}
}

func TestTheHubIsGuarded(t *testing.T) {
	t.Parallel()
	c, _, _ := tmuxtest.Connect(t)
	if err := c.GuardHub(t.Context()); err != nil {
		t.Fatal(err)
	}
	panes, err := c.Panes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	hub := panes[0]
	if err := syscall.Kill(hub.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await.Until(t, "the hub's program runs again", func() bool {
		// If the server missed the death, the request for the status reminds it.
		if _, _, _, err := c.ExitStatus(t.Context(), hub.ID); err != nil {
			t.Fatal(err)
		}
		now := pane(t, c, hub.ID)
		return !now.Dead && now.PID != hub.PID
	})
}

func TestAHubThatEndedInGoodOrderStaysDown(t *testing.T) {
	t.Parallel()
	s, dir := tmuxtest.NewServer(t)
	stop := filepath.Join(dir, "stop")
	hub := tmuxtest.Hub(dir)
	hub.Argv = []string{"sh", "-c", `until [ -e "$1" ]; do sleep 0.02; done`, "sh", stop}
	if _, err := s.Start(t.Context(), hub); err != nil {
		t.Fatal(err)
	}
	c, err := s.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.GuardHub(t.Context()); err != nil {
		t.Fatal(err)
	}
	panes, err := c.Panes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(stop, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	await.Until(t, "the hub has ended", func() bool {
		if _, _, _, err := c.ExitStatus(t.Context(), panes[0].ID); err != nil {
			t.Fatal(err)
		}
		return pane(t, c, panes[0].ID).Dead
	})
	time.Sleep(200 * time.Millisecond) // long enough for a hook that would restart it
	if got := pane(t, c, panes[0].ID); !got.Dead || got.PID != panes[0].PID {
		t.Errorf("it was started again: %+v", got)
	}
}

func TestAUsersConfigurationCannotBreakUs(t *testing.T) {
	t.Parallel()
	hostile := `set -g base-index 1
set -g pane-base-index 1
set -g renumber-windows on
set -s exit-empty on
set -g destroy-unattached on
set -g remain-on-exit off
set -wg window-size manual
set -g automatic-rename on
set -g prefix C-a
set -g default-command 'exit 1'
`
	for name, text := range map[string]string{"odd": hostile, "broken": hostile + "no-such-command\nset -g 'open\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _, dir := tmuxtest.Connect(t, func(cfg *tmux.Config) {
				cfg.UserConf = filepath.Join(filepath.Dir(cfg.Socket), "my [conf]* 'x'")
				if err := os.WriteFile(cfg.UserConf, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				// tmux must not read its default configuration file.
				if err := os.WriteFile(filepath.Join(filepath.Dir(cfg.Socket), ".tmux.conf"), []byte("set -g @theirs 1\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			})
			p := open(t, c, dir, "t1", sleeper...)
			spec := tmux.OpenSpec{Session: "t1", Window: "check", Dir: dir, Argv: []string{"true"}, Task: "t1", Gen: 1}
			check, err := c.Open(t.Context(), spec)
			if err != nil {
				t.Fatal(err)
			}
			await.Until(t, "its end is known", func() bool {
				code, _, known, err := c.ExitStatus(t.Context(), check.ID)
				if err != nil || code != 0 {
					t.Fatalf("status %d, %v", code, err)
				}
				return known
			})
			if got := pane(t, c, p.ID); got != p {
				t.Errorf("got %+v, want %+v", got, p)
			}
			if got := do(t, c, "display-message", "-p", "#{@theirs}|#{prefix}"); name == "odd" && got[0] != "|C-a" {
				t.Errorf("got %q, want the prefix of UserConf and nothing of ~/.tmux.conf", got)
			}
		})
	}
}

func TestANewConfigurationReachesARunningServer(t *testing.T) {
	t.Parallel()
	c, _, dir := tmuxtest.Connect(t)
	other := tmux.New(tmux.Config{
		Socket: dir + "/s", ConfPath: dir + "/tmux.conf", Env: tmuxtest.Env(dir), Columns: 100, Rows: 30,
	})
	id, err := other.Start(t.Context(), tmuxtest.Hub(dir))
	if err != nil {
		t.Fatal(err)
	}
	if id != c.Identity() {
		t.Errorf("another server: %+v, was %+v", id, c.Identity())
	}
	if got := do(t, c, "show-options", "-gv", "default-size"); got[0] != "100x30" {
		t.Errorf("default size %q, want 100x30", got)
	}
}

func TestStartRefusesWhatTmuxWouldTakeOtherwise(t *testing.T) {
	t.Parallel()
	s, dir := tmuxtest.NewServer(t)
	for _, h := range []tmux.HubSpec{
		{Session: "#(true)", Dir: dir, Argv: sleeper},
		{Session: "hub", Dir: dir},
		{Session: "hub", Dir: dir + "/none", Argv: sleeper},
	} {
		if _, err := s.Start(t.Context(), h); err == nil {
			t.Errorf("%+v was started", h)
		}
	}
	if _, err := s.Identity(t.Context()); !errors.Is(err, tmux.ErrNoServer) {
		t.Errorf("got %v, want no server", err)
	}
}

func TestKillEndsEvenAStoppedServer(t *testing.T) {
	t.Parallel()
	c, s, _ := tmuxtest.Connect(t)
	pid := c.Identity().PID
	stop(t, c)
	began := time.Now()
	if err := s.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("it took %v", took)
	}
	await.Until(t, "the process is gone", func() bool { return gone(pid) })
	for range 2 {
		if err := s.Kill(t.Context()); err != nil {
			t.Errorf("kill of none: %v", err)
		}
	}
	if _, err := os.Lstat(s.Socket()); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// gone reports whether a process has ended, including a zombie.
func gone(pid int) bool {
	if exitsOf(pid) != nil {
		return true
	}
	b, err := os.ReadFile("/proc/" + itoa(pid) + "/stat")
	return err == nil && strings.Contains(string(b), ") Z ")
}

func TestALongSocketPathIsReplacedByAName(t *testing.T) {
	t.Parallel()
	c, s, dir := tmuxtest.Connect(t, func(cfg *tmux.Config) {
		cfg.Socket = filepath.Join(filepath.Dir(cfg.Socket), strings.Repeat("d", 100), "tmux.sock")
	})
	sock := s.Socket()
	if len(sock) > 103 || !strings.Contains(sock, "/muster-") {
		t.Errorf("socket %q", sock)
	}
	p := open(t, c, dir, "t1", sleeper...)
	if got := person(t, s, "display-message", "-p", "-t", "=t1:", "#{pane_id}"); got != string(p.ID) {
		t.Errorf("through the socket: %q, want %s", got, p.ID)
	}
	if err := c.Paste(t.Context(), p.ID, "hello"); err != nil {
		t.Errorf("paste: %v", err)
	}
	if argv := s.AttachArgv("t1", true); !strings.Contains(strings.Join(argv, " "), "-S "+sock+" attach-session -r -t =t1") {
		t.Errorf("attach: %q", argv)
	}
	if err := s.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(sock); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestAServerThatWasUpgradedUnderUsIsSpokenToByItsOwnProgram(t *testing.T) {
	t.Parallel()
	if !hasOwnProgram {
		t.Log("this system does not keep the program of a process; the choice itself is tested elsewhere")
		return
	}
	bin := t.TempDir()
	copyTmux(t, filepath.Join(bin, "tmux"))
	s, dir := tmuxtest.NewServer(t, func(cfg *tmux.Config) { cfg.Env = append(cfg.Env, "PATH="+bin+":/usr/bin:/bin") })
	if _, err := s.Start(t.Context(), tmuxtest.Hub(dir)); err != nil {
		t.Fatal(err)
	}
	// The upgrade installs another version, which would do harm as a client.
	if err := os.Remove(filepath.Join(bin, "tmux")); err != nil {
		t.Fatal(err)
	}
	harm := "#!/bin/sh\n[ \"$1\" = -V ] && echo tmux 9.9 && exit\necho $@ >>" + dir + "/harm\nexit 1\n"
	if err := os.WriteFile(filepath.Join(bin, "tmux"), []byte(harm), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Start(t.Context(), tmuxtest.Hub(dir)); err != nil {
		t.Errorf("start: %v", err)
	}
	c, err := s.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	open(t, c, dir, "t1", sleeper...)
	if argv := s.AttachArgv("t1", false); !strings.HasPrefix(argv[0], "/proc/") {
		t.Errorf("attach: %q, want the server's own program", argv)
	}
	if b, err := os.ReadFile(dir + "/harm"); err == nil {
		t.Errorf("the new program was used: %s", b)
	}
}

func TestNoTmuxIsAConflict(t *testing.T) {
	t.Parallel()
	s, dir := tmuxtest.NewServer(t, func(cfg *tmux.Config) { cfg.Env = []string{"PATH=/nonexistent"} })
	if _, err := s.Start(t.Context(), tmuxtest.Hub(dir)); fault.CodeOf(err) != fault.Conflict || fault.HintOf(err) == "" {
		t.Errorf("got %v, want a conflict with a hint", err)
	}
}

func TestTheServerStartsUnderItsScope(t *testing.T) {
	t.Parallel()
	c, _, dir := tmuxtest.Connect(t, func(cfg *tmux.Config) { cfg.Scope = []string{"env", "IN_SCOPE=yes"} })
	file := filepath.Join(dir, "env")
	open(t, c, dir, "t1", "sh", "-c", `env >"$0.part"; mv "$0.part" "$0"`, file)
	if got := content(t, file, func(string) bool { return true }); !strings.Contains(got, "IN_SCOPE=yes") {
		t.Errorf("not started under the scope: %s", got)
	}
}

func TestAServerWhoseScopeFailsStartsWithoutIt(t *testing.T) {
	t.Parallel()
	s, dir := tmuxtest.NewServer(t, func(cfg *tmux.Config) {
		cfg.Scope = []string{"sh", "-c", "echo Failed to connect to bus: $BUS >&2; exit 1"}
		cfg.ScopeEnv = []string{"BUS=no medium found"}
	})
	if _, err := s.Start(t.Context(), tmuxtest.Hub(dir)); err != nil {
		t.Fatal(err)
	}
	if err := s.Unscoped(); err == nil || !strings.Contains(err.Error(), "no medium found") {
		t.Errorf("Unscoped = %v, want the words of the scope's program, with its environment", err)
	}
}
