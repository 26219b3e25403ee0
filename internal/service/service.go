package service

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"muster/internal/environ"
	"muster/internal/fault"
	"muster/internal/home"
	"muster/internal/replace"
	"muster/internal/run"
)

// Service is the unit of one fleet under one service manager.
type Service struct {
	Home    home.Dir
	Program string   // absolute path of the installed muster, not of a copy in the state directory
	Env     []string // the caller's: HOME, PATH, and the variables that systemctl needs
	Manager Manager
}

// Manager is a kind of service manager.
type Manager string

// The managers.
const (
	Systemd Manager = "systemd"
	Launchd Manager = "launchd"
)

// Status is the state of the service.
type Status struct {
	Manager   Manager `json:"manager"`
	Name      string  `json:"name"`
	Path      string  `json:"path"`
	Installed bool    `json:"installed"`
	Current   bool    `json:"current"` // the file has the text that this muster would write
	Active    string  `json:"active"`  // the manager's state: active, inactive, failed; unknown if it does not answer
}

// Name returns the unit's name. The fleet in the default directory is "muster". Any other has a part of the hash of
// its directory in its name, so that two fleets never share a unit.
func (s Service) Name() string {
	def := filepath.Join(environ.Get(s.Env, "HOME"), ".local", "state", "muster")
	if string(s.Home) == def {
		return "muster"
	}
	sum := sha256.Sum256([]byte(s.Home))
	return fmt.Sprintf("muster-%x", sum[:4])
}

// Path returns the path of the unit's file.
func (s Service) Path() string {
	if s.Manager == Launchd {
		return filepath.Join(environ.Get(s.Env, "HOME"), "Library", "LaunchAgents", s.label()+".plist")
	}
	conf := environ.Get(s.Env, "XDG_CONFIG_HOME")
	if !filepath.IsAbs(conf) {
		conf = filepath.Join(environ.Get(s.Env, "HOME"), ".config")
	}
	return filepath.Join(conf, "systemd", "user", s.Name()+".service")
}

// Text returns the content of the unit's file.
func (s Service) Text() (string, error) {
	for what, path := range map[string]string{"state directory": string(s.Home), "program": s.Program} {
		if !filepath.IsAbs(path) || strings.ContainsAny(path, "\x00\n\r") {
			return "", fault.New(fault.Usage, "the %s %q cannot be written in a unit file", what, path).WithHint("Use an absolute path without line breaks.")
		}
	}
	if s.Manager == Launchd {
		return s.plist(), nil
	}
	return s.unit(), nil
}

// Install writes the unit and starts it. A second call updates the file. If the user's service manager does not
// answer, the file stays, and the error names the remaining command.
func (s Service) Install(ctx context.Context) error {
	text, err := s.Text()
	if err != nil {
		return err
	}
	path := s.Path()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // the service manager's own directory
		return fault.Wrap(fault.Failed, err, "make the directory of %s", path)
	}
	if err := replace.File(path, []byte(text), 0o644); err != nil {
		return fault.Wrap(fault.Failed, err, "write %s", path)
	}
	if s.Manager == Launchd { // it accepts no second one of the same name; an error means that there is none
		_ = s.call(ctx, s.uninstallCommands()[0])
	}
	for _, argv := range s.installCommands() {
		if err := s.call(ctx, argv); err != nil {
			return fault.Wrap(fault.Conflict, err, "%s is written, but your %s does not accept it", path, s.Manager).
				WithHint("Once it runs for you: %s", strings.Join(argv, " "))
		}
	}
	return nil
}

// Uninstall stops the unit and removes its file. Agents keep running. A missing unit is not an error.
func (s Service) Uninstall(ctx context.Context) error {
	path := s.Path()
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, argv := range s.uninstallCommands() {
		// A manager that does not answer runs nothing of ours, so the file can be removed.
		_ = s.call(ctx, argv)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault.Wrap(fault.Failed, err, "remove %s", path)
	}
	if s.Manager == Systemd {
		_ = s.call(ctx, []string{"systemctl", "--user", "daemon-reload"})
	}
	return nil
}

// Look returns the state of the service.
func (s Service) Look(ctx context.Context) (Status, error) {
	text, err := s.Text()
	if err != nil {
		return Status{}, err
	}
	st := Status{Manager: s.Manager, Name: s.Name(), Path: s.Path(), Active: "unknown"}
	have, err := os.ReadFile(st.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		st.Active = "inactive"
		return st, nil
	case err != nil:
		return st, fault.Wrap(fault.Failed, err, "read %s", st.Path)
	}
	st.Installed, st.Current = true, string(have) == text
	res, err := run.Do(ctx, run.Cmd{Argv: s.lookCommand(), Env: s.Env})
	if word := strings.TrimSpace(string(res.Stdout)); s.Manager == Systemd && word != "" {
		st.Active = word // systemctl exits non-zero for anything but active
	} else if s.Manager == Launchd {
		st.Active = map[bool]string{true: "active", false: "inactive"}[err == nil]
	}
	return st, nil
}

func (s Service) call(ctx context.Context, argv []string) error {
	_, err := run.Do(ctx, run.Cmd{Argv: argv, Env: s.Env})
	return err
}
