package service

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/internal/environ"
	"muster/internal/fault"
	"muster/internal/home"
	"muster/internal/run"
)

func sample(t *testing.T, m Manager) Service {
	t.Helper()
	dir := t.TempDir()
	return Service{
		Home: home.Dir(filepath.Join(dir, `odd "dir" 100% $HOME`)), Program: "/bin/true", Manager: m,
		Env: []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")},
	}
}

func TestSystemdTakesTheUnit(t *testing.T) {
	t.Parallel()
	s := sample(t, Systemd)
	text, err := s.Text()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), s.Name()+".service")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	// Where systemd is not installed the text below is all that can be looked at.
	if program, err := run.LookPath("systemd-analyze", os.Environ()); err == nil {
		res, err := run.Do(t.Context(), run.Cmd{Argv: []string{program, "--user", "verify", "--man=no", path}, Env: append(s.Env, "XDG_RUNTIME_DIR="+t.TempDir())})
		if err != nil || strings.Contains(string(res.Stderr), s.Name()) {
			t.Errorf("systemd-analyze verify: %v\n%s", err, res.Stderr)
		}
	}
	for _, want := range []string{
		"KillMode=process", "Restart=on-failure", `ExecStart="/bin/true" service run`, `odd \"dir\" 100%% $$HOME"`, "WantedBy=default.target",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the unit lacks %q:\n%s", want, text)
		}
	}
}

func TestTheLaunchAgentIsWellFormed(t *testing.T) {
	t.Parallel()
	s := sample(t, Launchd)
	s.Home += "/<&>"
	text, err := s.Text()
	if err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(bytes.NewReader([]byte(text)))
	seen := ""
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if c, ok := tok.(xml.CharData); ok {
			seen += string(c) + "\n"
		}
	}
	if !strings.Contains(seen, string(s.Home)) {
		t.Errorf("the state directory did not survive:\n%s", seen)
	}
}

func TestTwoFleetsHaveTwoUnits(t *testing.T) {
	t.Parallel()
	s := sample(t, Systemd)
	s.Home = home.Dir(filepath.Join(environ.Get(s.Env, "HOME"), ".local/state/muster"))
	if s.Name() != "muster" {
		t.Errorf("the default fleet's unit is %q", s.Name())
	}
	a, b := s, s
	a.Home, b.Home = "/srv/a", "/srv/b"
	if a.Name() == b.Name() || a.Name() == "muster" {
		t.Errorf("units %q and %q", a.Name(), b.Name())
	}
}

func TestAPathThatNoUnitCanHoldIsRefused(t *testing.T) {
	t.Parallel()
	s := sample(t, Systemd)
	s.Home = "/srv/a\nExecStart=/bin/evil"
	if err := s.Install(t.Context()); !fault.Is(err, fault.Usage) {
		t.Errorf("got %v, want a usage error", err)
	}
}

// manager is a systemctl that writes down what it is told and answers as asked.
func manager(t *testing.T, s *Service, exit string) func() string {
	t.Helper()
	bin := t.TempDir()
	log := filepath.Join(bin, "log")
	script := "#!/bin/sh\necho \"$@\" >> " + log + "\ncase \"$2\" in is-active) echo active;; esac\nexit " + exit + "\n"
	if err := os.WriteFile(filepath.Join(bin, "systemctl"), []byte(script), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	s.Env = []string{"HOME=" + environ.Get(s.Env, "HOME"), "PATH=" + bin + ":/usr/bin:/bin"}
	return func() string {
		b, _ := os.ReadFile(log)
		return string(b)
	}
}

func TestInstallLookUninstall(t *testing.T) {
	t.Setenv("PATH", os.Getenv("PATH")) // exec looks a bare name up in our own PATH, so this test runs alone
	s := sample(t, Systemd)
	told := manager(t, &s, "0")
	t.Setenv("PATH", environ.Get(s.Env, "PATH"))
	ctx := context.Background()
	st, err := s.Look(ctx)
	if err != nil || st.Installed || st.Active != "inactive" {
		t.Fatalf("before: %+v, %v", st, err)
	}
	for range 2 { // twice is as good as once
		if err := s.Install(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if st, err = s.Look(ctx); err != nil || !st.Installed || !st.Current || st.Active != "active" {
		t.Fatalf("installed: %+v, %v", st, err)
	}
	if err := os.WriteFile(s.Path(), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if st, err = s.Look(ctx); err != nil || st.Current {
		t.Fatalf("an old file: %+v, %v", st, err)
	}
	for range 2 {
		if err := s.Uninstall(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(s.Path()); !os.IsNotExist(err) {
		t.Errorf("the unit is still there: %v", err)
	}
	for _, want := range []string{"--user daemon-reload", "--user enable " + s.Name(), "--user restart " + s.Name(), "--user disable --now " + s.Name()} {
		if !strings.Contains(told(), want) {
			t.Errorf("systemctl was not told %q but:\n%s", want, told())
		}
	}
}

func TestAManagerThatDoesNotAnswerKeepsTheFileAndNamesTheCommand(t *testing.T) {
	s := sample(t, Systemd)
	manager(t, &s, "1")
	t.Setenv("PATH", environ.Get(s.Env, "PATH"))
	err := s.Install(context.Background())
	if !fault.Is(err, fault.Conflict) || !strings.Contains(fault.HintOf(err), "systemctl --user") {
		t.Errorf("got %v, hint %q", err, fault.HintOf(err))
	}
	if _, err := os.Stat(s.Path()); err != nil {
		t.Errorf("the unit is not kept: %v", err)
	}
}
