package tmux

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"muster/internal/fault"
)

// maxWord is the longest argument of a program in bytes: with a longer one it silently never starts.
const maxWord = 128 << 10

// OpenSpec describes a window of a task's session and the program in it.
type OpenSpec struct {
	Session string   // name of the session, made if it is missing
	Window  string   // name and purpose of the window: "agent", "check"
	Dir     string   // absolute path of the program's working directory
	Argv    []string // the program, started without a shell
	Env     []string // NAME=VALUE for this process only; not for secrets, because other users can read it
	Task    string   // the task's id, for the pane's marks
	Gen     int      // the generation, for the pane's marks
	// Record is a command that gets what the pane shows on its standard input, from the first byte on; nil is none. Three
	// words are added to it: the program's pid, its terminal, and the size of that, as in 120x40. It goes on when the
	// program has ended, until it ends or the pane does. That it cannot be started keeps nothing from running.
	Record []string
}

// Open starts a program in a window. It makes session and window if they are missing. It reuses a window whose
// program has ended and keeps its scrollback, but not its last screen. If the program runs, Open returns the pane and
// ErrDuplicate. The same tmux command marks the pane with task, generation and window.
func (c *Client) Open(ctx context.Context, spec OpenSpec) (Pane, error) {
	if err := spec.Check(); err != nil {
		return Pane{}, err
	}
	if err := checkDir(spec.Dir); err != nil {
		return Pane{}, err
	}
	p, err := c.openSession(ctx, spec)
	if !errors.Is(err, ErrDuplicate) {
		return p, err
	}
	select {
	case c.opening <- struct{}{}:
		defer func() { <-c.opening }()
	case <-ctx.Done():
		return Pane{}, fmt.Errorf("open window %s of %s: %w", spec.Window, spec.Session, ctx.Err())
	}
	panes, err := c.Panes(ctx)
	if err != nil {
		return Pane{}, err
	}
	dead := Pane{}
	for _, p := range panes {
		if p.Role != spec.Window || p.Task != spec.Task || (p.Task == "" && p.SessionName != spec.Session) {
			continue
		}
		if !p.Dead {
			return p, fmt.Errorf("window %s of %s, pane %s: %w", spec.Window, spec.Session, p.ID, ErrDuplicate)
		}
		dead = p
	}
	if dead.ID != "" {
		return c.respawn(ctx, dead, spec)
	}
	return c.openWindow(ctx, spec)
}

// Check returns a fault.Usage for values that tmux would misread or silently ignore. It checks only the values
// themselves.
func (spec OpenSpec) Check() error {
	if err := checkName("session", spec.Session); err != nil {
		return err
	}
	if err := checkName("window", spec.Window); err != nil {
		return err
	}
	if len(spec.Argv) == 0 || spec.Argv[0] == "" {
		return fault.New(fault.Usage, "no program for window %s of %s", spec.Window, spec.Session)
	}
	for _, a := range append(slices.Clip(spec.Argv), spec.Record...) {
		if len(a) >= maxWord || strings.ContainsRune(a, 0) {
			return fault.New(fault.Usage, "an argument of %s is too long or contains a NUL byte (%d bytes)", spec.Argv[0], len(a))
		}
	}
	for _, kv := range spec.Env {
		name, _, ok := strings.Cut(kv, "=")
		if !ok || name == "" || len(kv) >= maxWord || strings.ContainsRune(kv, 0) {
			return fault.New(fault.Usage, "not a variable for the environment of %s: %q", spec.Argv[0], name)
		}
	}
	if !filepath.IsAbs(spec.Dir) {
		return fault.New(fault.Usage, "not an absolute directory: %q", spec.Dir)
	}
	return nil
}

// checkDir returns an error if the directory is missing: tmux would silently start the program elsewhere.
func checkDir(dir string) error {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fault.New(fault.NotFound, "no directory to start a program in: %s", dir)
	}
	return nil
}

// openSession makes the session; it returns ErrDuplicate if the session exists.
func (c *Client) openSession(ctx context.Context, spec OpenSpec) (Pane, error) {
	target := "=" + spec.Session + ":"
	args := []string{
		"new-session", "-d", "-P", "-F", paneFormat, "-s", spec.Session, "-n", spec.Window,
		"-c", literal(spec.Dir), "-x", strconv.Itoa(c.columns), "-y", strconv.Itoa(c.rows),
	}
	commands := append([][]string{spec.start(args)}, spec.marks(target)...)
	for _, kv := range spec.Env {
		// new-session sets its variables for all later windows of the session, too.
		name, _, _ := strings.Cut(kv, "=")
		commands = append(commands, []string{"set-environment", "-u", "-t", target, name})
	}
	commands = append(commands, spec.record(target)...)
	return c.opened(ctx, spec, commands)
}

// openWindow adds a window to the session. The window has a unique name until its options are set.
func (c *Client) openWindow(ctx context.Context, spec OpenSpec) (Pane, error) {
	session := "=" + spec.Session + ":"
	passing := "m-" + c.bufferName()
	target := session + "=" + passing
	args := []string{"new-window", "-d", "-P", "-F", paneFormat, "-t", session, "-n", passing, "-c", literal(spec.Dir)}
	commands := append([][]string{spec.start(args)}, spec.marks(target)...)
	commands = append(commands, []string{"rename-window", "-t", target, spec.Window})
	p, err := c.opened(ctx, spec, commands)
	if err != nil || len(spec.Record) == 0 {
		return p, err
	}
	// The name by which the line knew the window is gone, so this is a line of its own.
	if _, err := c.Do(ctx, spec.record(string(p.ID))[0]...); err != nil && !wasRefused(err) {
		return p, err
	}
	return p, nil
}

// respawn starts the program in a pane whose program has ended.
func (c *Client) respawn(ctx context.Context, p Pane, spec OpenSpec) (Pane, error) {
	if _, _, known, err := c.ExitStatus(ctx, p.ID); err != nil {
		return Pane{}, err
	} else if _, alive := processStart(p.PID); alive && !known {
		return p, fmt.Errorf("window %s of %s, pane %s without its terminal: %w", spec.Window, spec.Session, p.ID, ErrDuplicate)
	}
	args := []string{"respawn-pane", "-t", string(p.ID), "-c", literal(spec.Dir)}
	commands := append([][]string{spec.start(args)}, spec.marks(string(p.ID))...)
	commands = append(commands, []string{"list-panes", "-t", string(p.ID), "-f", "#{==:#{pane_id}," + string(p.ID) + "}", "-F", paneFormat})
	commands = append(commands, spec.record(string(p.ID))...)
	return c.opened(ctx, spec, commands)
}

// opened sends the commands and returns the pane that they print. The one that starts a recorder is the last, and may be refused.
func (c *Client) opened(ctx context.Context, spec OpenSpec, commands [][]string) (Pane, error) {
	blocks, err := c.batch(ctx, commands...)
	if err != nil && (len(spec.Record) == 0 || !wasRefused(err) || len(blocks) != len(commands)-1) {
		return Pane{}, fmt.Errorf("open window %s of %s: %w", spec.Window, spec.Session, err)
	}
	for _, b := range blocks {
		for _, p := range parsePanes(b, c.hub()) {
			p.Task, p.Gen, p.Role, p.WindowName, p.Pasted = spec.Task, spec.Gen, spec.Window, spec.Window, ""
			return p, nil
		}
	}
	return Pane{}, fault.New(fault.Failed, "tmux opened window %s of %s but did not report its pane", spec.Window, spec.Session)
}

// start appends the arguments that start the program.
func (spec OpenSpec) start(args []string) []string {
	for _, kv := range spec.Env {
		args = append(args, "-e", kv)
	}
	return append(append(args, "--"), program(spec.Argv)...)
}

// marks returns the commands that mark a pane, and that keep the size of its window when people attach and detach.
func (spec OpenSpec) marks(target string) [][]string {
	return [][]string{
		{"set-option", "-p", "-t", target, taskOption, encode(spec.Task)},
		{"set-option", "-p", "-t", target, genOption, encode(strconv.Itoa(spec.Gen))},
		{"set-option", "-p", "-t", target, roleOption, encode(spec.Window)},
		{"set-option", "-p", "-t", target, pastedOption, ""}, // a reused pane may have an old value
		{"set-option", "-w", "-t", target, "window-size", "manual"},
	}
}

// wasRefused reports whether tmux refused a command, so that it had no effect.
func wasRefused(err error) bool {
	_, is := errors.AsType[*CommandError](err)
	return is
}

// record returns the command that hands what the pane shows on to the recorder. tmux ends the recorder of an earlier program in the
// pane with it. It belongs to the same line as the start of the program, so that nothing is shown before.
func (spec OpenSpec) record(target string) [][]string {
	if len(spec.Record) == 0 {
		return nil
	}
	return [][]string{{"pipe-pane", "-O", "-t", target, recorder(spec.Record)}}
}

// KillSession ends a session, named by id or exact name, and all its windows. A missing session is not an error.
// Programs get SIGHUP and may survive it. Panes that are shared by a session group stay in the other sessions.
func (c *Client) KillSession(ctx context.Context, session string) error {
	target, err := SessionTarget(session)
	if err != nil {
		return err
	}
	if _, err := c.Do(ctx, "kill-session", "-t", target); err != nil && !isGone(err) {
		return err
	}
	return nil
}
