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
	"sync"
	"time"

	"muster/internal/fault"
	"muster/internal/run"
)

// CallTimeout is the default timeout of every tmux command: a stopped server does not answer.
const CallTimeout = 10 * time.Second

// hubRole is the Role of the server's first pane.
const hubRole = "hub"

// Config describes the server and the environment of its panes.
type Config struct {
	// Socket is the absolute path of the socket. If it is too long for a socket (103 bytes), a -L name made from it
	// is used instead.
	Socket string
	// ConfPath is where Start writes the generated configuration (0600).
	ConfPath string
	// UserConf is a file of the user that is sourced near the end of the configuration; it may be "" or missing.
	UserConf string
	// Env is the whole environment of the server and so of every pane, NAME=VALUE.
	Env []string
	// Columns and Rows are the size of windows that no terminal shows; 0 means 120 and 40.
	Columns, Rows int
	// Scope is an argv under which the server is started, such as systemd-run --user --scope --quiet --.
	Scope []string
	// ScopeEnv is what Scope needs in addition to Env, NAME=VALUE.
	ScopeEnv []string
}

// HubSpec describes the server's first session. The control client attaches to it, so that no session of a task has a
// client of ours.
type HubSpec struct {
	Session string   // its name
	Window  string   // the name of its first window; "" is that of the session
	Dir     string   // working directory of its program
	Argv    []string // its program: the keeper
	Env     []string // NAME=VALUE for its program only; not for secrets
}

func (h HubSpec) check() error {
	spec := OpenSpec{Session: h.Session, Window: h.Window, Dir: h.Dir, Argv: h.Argv, Env: h.Env}
	if err := spec.Check(); err != nil {
		return err
	}
	return checkDir(h.Dir)
}

// Identity distinguishes a server from the next one at the same socket. Pane ids are valid only together with it.
type Identity struct {
	PID     int
	Started time.Time // to the second
	Version string    // the server's version, "3.3a"
}

// Server is the private tmux server of one fleet. Its methods are safe for concurrent use, also by several processes.
type Server struct {
	unscoped error // of the last start under a scope
	cfg      Config

	mu     sync.Mutex
	client string // the last program with the server's version
}

// New returns a server. It does no I/O.
func New(cfg Config) *Server {
	if cfg.Columns <= 0 {
		cfg.Columns = 120
	}
	if cfg.Rows <= 0 {
		cfg.Rows = 40
	}
	env := make([]string, 0, len(cfg.Env))
	for _, kv := range cfg.Env {
		name, _, ok := strings.Cut(kv, "=")
		if ok && name != "" && name != "TMUX" && name != "TMUX_PANE" && name != "TMUX_TMPDIR" {
			env = append(env, kv)
		}
	}
	cfg.Env = env
	return &Server{cfg: cfg}
}

// Start makes sure that the server runs with our configuration and that its hub session runs hub.Argv. A running
// server keeps its sessions, and a hub whose program has ended is restarted. Concurrent calls, also in several
// processes, all succeed and start one server.
func (s *Server) Start(ctx context.Context, hub HubSpec) (Identity, error) {
	if hub.Window == "" {
		hub.Window = hub.Session
	}
	if err := hub.check(); err != nil {
		return Identity{}, err
	}
	text, proof := s.config(hub.Session)
	if err := s.writeConfig(text); err != nil {
		return Identity{}, err
	}
	d, err := s.describe(ctx)
	if errors.Is(err, ErrNoServer) {
		if err = s.launch(ctx, hub); err == nil {
			d, err = s.describe(ctx)
		}
	}
	if err != nil {
		return Identity{}, fmt.Errorf("start tmux: %w", err)
	}
	if err := s.writePID(d.PID); err != nil {
		return Identity{}, err
	}
	if d.proof != proof {
		if d, err = s.reload(ctx, proof); err != nil {
			return Identity{}, err
		}
	}
	if err := s.ensureHub(ctx, hub); err != nil {
		return Identity{}, fmt.Errorf("start hub session: %w", err)
	}
	return d.Identity, nil
}

// Identity returns the identity of the running server, or ErrNoServer. It uses a client of its own.
func (s *Server) Identity(ctx context.Context) (Identity, error) {
	d, err := s.describe(ctx)
	return d.Identity, err
}

// WakeHub restarts the hub's program with its first command if it has ended. Processes outside the fleet call it if
// no supervisor runs; it takes two short commands and needs no configuration. A running hub stays as it is.
// ErrNoServer or ErrNoHub means that there is nothing to restart; Start repairs that.
func (s *Server) WakeHub(ctx context.Context) error {
	out, err := s.oneShot(ctx, "list-panes", "-a", "-F", paneFormat)
	if err != nil && !errors.Is(err, ErrNoTarget) {
		return fmt.Errorf("wake the hub: %w", err)
	}
	for _, p := range parsePanes(strings.Split(out, "\n"), "") {
		if p.Role != hubRole {
			continue
		}
		if p.Dead {
			_, err = s.oneShot(ctx, "respawn-pane", "-t", string(p.ID))
		}
		if errors.Is(err, ErrDuplicate) {
			return nil // another process has restarted it
		}
		return err
	}
	return fmt.Errorf("wake the hub: %w", ErrNoHub)
}

// Kill ends the server and every program in its panes that does not ignore SIGHUP. A server that does not end within
// two seconds is killed; close our Client first, because a client that does not read its output can keep the server
// alive. A missing server is not an error. The socket file is removed.
func (s *Server) Kill(ctx context.Context) error {
	pid, err := s.peer(ctx)
	if errors.Is(err, ErrNoServer) {
		return s.removeStaleSocket(ctx)
	}
	if err != nil {
		return fmt.Errorf("end tmux: %w", err)
	}
	mark, _ := processStart(pid)
	const grace = 2 * time.Second
	began := time.Now()
	asking, cancel := context.WithTimeout(ctx, grace)
	_, _ = s.oneShot(asking, "kill-server") // only the end of the process matters
	cancel()
	if !awaitEnd(ctx, pid, mark, max(grace-time.Since(began), 100*time.Millisecond)) {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("end tmux: %w", err)
		}
		killProcess(pid, mark)
		if !awaitEnd(ctx, pid, mark, 5*time.Second) {
			return fault.New(fault.Failed, "tmux server %d does not end, even by SIGKILL", pid)
		}
	}
	return s.removeStaleSocket(ctx)
}

// AttachArgv returns the command that shows a session to a person, by absolute socket and exact name. It must run
// without TMUX in its environment: otherwise tmux refuses to nest.
func (s *Server) AttachArgv(session string, readOnly bool) []string {
	argv := []string{s.attachProgram(), "-S", s.Socket(), "attach-session"}
	if readOnly {
		argv = append(argv, "-r")
	}
	return append(argv, "-t", "="+session)
}

// attachProgram returns a client of the server's version, if that is known.
func (s *Server) attachProgram() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != "" {
		return s.client
	}
	if path, err := run.LookPath("tmux", s.cfg.Env); err == nil {
		return path
	}
	return "tmux"
}

// description is the state that describe reads from a server.
type description struct {
	Identity
	proof, hub string
}

func (s *Server) describe(ctx context.Context) (description, error) {
	out, err := s.oneShot(ctx, "display-message", "-p", "#{pid} #{start_time} #{version} #{@m_conf} #{@m_hub}")
	if err != nil {
		return description{}, err
	}
	f := strings.Split(strings.TrimRight(out, "\n"), " ")
	if len(f) != 5 {
		return description{}, fault.New(fault.Failed, "tmux describes itself in an unknown way: %q", out)
	}
	id, err := parseIdentity(f[:3])
	return description{Identity: id, proof: f[3], hub: f[4]}, err
}

// parseIdentity parses pid, start time and version.
func parseIdentity(f []string) (Identity, error) {
	pid, err := strconv.Atoi(f[0])
	secs, err2 := strconv.ParseInt(f[1], 10, 64)
	if err != nil || err2 != nil || f[2] == "" {
		return Identity{}, fault.New(fault.Failed, "tmux describes itself in an unknown way: %q", f)
	}
	return Identity{PID: pid, Started: time.Unix(secs, 0).UTC(), Version: f[2]}, nil
}

// launch starts the server. If another process was faster, that server has read the same configuration.
func (s *Server) launch(ctx context.Context, hub HubSpec) error {
	if err := os.MkdirAll(filepath.Dir(s.cfg.Socket), 0o700); err != nil {
		return fmt.Errorf("directory of the tmux socket: %w", err)
	}
	path, err := run.LookPath("tmux", s.cfg.Env)
	if err != nil {
		return fault.Wrap(fault.Conflict, err, "tmux is not installed").WithHint("%s", installHint(s.cfg.Env))
	}
	where := []string{"-S", s.cfg.Socket}
	if name := s.socketName(); name != "" {
		where = []string{"-L", name}
	}
	argv := append([]string{path, "-u"}, where...)
	argv = append(append(argv, "-f", s.cfg.ConfPath), s.newHub(hub)...)
	raiseDescriptorLimit()
	start := func(scope, env []string) error {
		_, err := run.Do(ctx, run.Cmd{Argv: slices.Concat(scope, argv), Dir: "/", Env: slices.Concat(s.cfg.Env, env), Timeout: 3 * CallTimeout})
		if err = asCommandError("new-session", err); errors.Is(err, ErrDuplicate) {
			return nil
		}
		return err
	}
	if len(s.cfg.Scope) > 0 {
		// A server that may end at logout is better than none: where no scope can be made, it starts without one.
		if s.unscoped = start(s.cfg.Scope, s.cfg.ScopeEnv); s.unscoped == nil {
			return nil
		}
	}
	return start(nil, nil)
}

// Unscoped returns why the server that Start has started runs outside of Config.Scope; nil if it does not.
func (s *Server) Unscoped() error { return s.unscoped }

// newHub returns the command line that makes the hub session and marks its pane.
func (s *Server) newHub(hub HubSpec) []string {
	args := []string{
		"new-session", "-d", "-s", hub.Session, "-n", hub.Window, "-c", literal(hub.Dir),
		"-x", strconv.Itoa(s.cfg.Columns), "-y", strconv.Itoa(s.cfg.Rows),
	}
	args = append(args, hubProgram(hub)...)
	target := "=" + hub.Session + ":"
	args = append(args, ";", "set-option", "-p", "-t", target, roleOption, encode(hubRole))
	return append(args, ";", "set-option", "-w", "-t", target, "window-size", "manual")
}

// hubProgram returns the end of the commands that start the hub's program.
func hubProgram(hub HubSpec) []string {
	var args []string
	for _, kv := range hub.Env {
		args = append(args, "-e", kv)
	}
	return oneShotWords(append(append(args, "--"), program(hub.Argv)...))
}

// ensureHub restores the hub session, its pane or its program, whichever is missing.
func (s *Server) ensureHub(ctx context.Context, hub HubSpec) error {
	target := "=" + hub.Session + ":"
	out, err := s.oneShot(ctx, "list-panes", "-s", "-t", target, "-F", paneFormat)
	if errors.Is(err, ErrNoTarget) {
		_, err = s.oneShot(ctx, s.newHub(hub)...)
		if errors.Is(err, ErrDuplicate) {
			return nil
		}
		return err
	}
	if err != nil {
		return err
	}
	for _, p := range parsePanes(strings.Split(out, "\n"), "") {
		if p.Role != hubRole {
			continue
		}
		if !p.Dead {
			return nil
		}
		args := []string{"respawn-pane", "-t", string(p.ID), "-c", literal(hub.Dir)}
		_, err = s.oneShot(ctx, append(args, hubProgram(hub)...)...)
		if errors.Is(err, ErrDuplicate) {
			return nil // another process has restarted it
		}
		return err
	}
	args := []string{"new-window", "-d", "-P", "-F", "#{pane_id}", "-t", target, "-n", hub.Window, "-c", literal(hub.Dir)}
	out, err = s.oneShot(ctx, append(args, hubProgram(hub)...)...)
	if err != nil {
		return err
	}
	id := strings.TrimSpace(out)
	_, err = s.oneShot(ctx, "set-option", "-p", "-t", id, roleOption, encode(hubRole),
		";", "set-option", "-w", "-t", id, "window-size", "manual")
	return err
}

// reload makes a running server read its configuration again, because it is newer or was not read completely.
func (s *Server) reload(ctx context.Context, proof string) (description, error) {
	_, err := s.oneShot(ctx, "source-file", globLiteral(s.cfg.ConfPath))
	if err != nil {
		return description{}, fmt.Errorf("load tmux configuration: %w", err)
	}
	d, err := s.describe(ctx)
	if err == nil && d.proof != proof {
		err = fault.New(fault.Failed, "tmux did not read its configuration %s", s.cfg.ConfPath).
			WithHint("Look for the faulty line: tmux -S %s source-file %s", s.Socket(), s.cfg.ConfPath)
	}
	return d, err
}

// oneShot runs one client and returns its output. The client has the server's version.
func (s *Server) oneShot(ctx context.Context, args ...string) (string, error) {
	pid, err := s.peer(ctx)
	if err != nil {
		return "", err
	}
	path, err := s.clientFor(ctx, pid)
	if err != nil {
		return "", err
	}
	argv := append([]string{path, "-u", "-S", s.Socket()}, args...)
	res, err := run.Do(ctx, run.Cmd{Argv: argv, Dir: "/", Env: s.cfg.Env, Timeout: CallTimeout})
	if err = asCommandError(args[0], err); err != nil {
		if _, gone := s.peer(ctx); errors.Is(gone, ErrNoServer) {
			return "", gone // it ended in the meantime
		}
		return "", err
	}
	return string(res.Stdout), nil
}

// asCommandError converts the failure of a client to a *CommandError.
func asCommandError(command string, err error) error {
	if x, ok := errors.AsType[*run.ExitError](err); ok && x.Exit == 1 && x.Stderr != "" {
		return &CommandError{Command: command, Message: x.Stderr}
	}
	return err
}
