package boot

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"muster/internal/fault"
	"muster/internal/regular"

	"muster/internal/environ"
	"muster/internal/keeper"

	"muster/internal/config"
	"muster/internal/home"
	"muster/internal/host"
	"muster/internal/tmux"
)

// HubSession is the first session of the tmux server. The keeper and the supervisor run in it.
const HubSession = "muster"

// Caller is the process that acts on a fleet. This package reads environment, clock and program only from it, so that
// two callers can exist in one test.
type Caller struct {
	Environ     []string // NAME=VALUE
	Exe         string   // path of this program; "" for a caller that never starts a fleet
	Now         func() time.Time
	Stderr      io.Writer     // receives the log lines of the keeper and the supervisor
	Say         func(string)  // shows a person what a slow verb waits for; called often, also with the same words; may be nil
	StartLimit  time.Duration // 0 is the constant StartLimit; tests use less
	KeeperClock keeper.Clock  // nil is the real clock; tests use a faster one
}

// Getenv returns the value of a variable, "" if it is not set.
func (c Caller) Getenv(name string) string { return environ.Get(c.Environ, name) }

// Tell says what a slow verb waits for. The front end decides whether a person is shown it.
func (c Caller) Tell(format string, args ...any) {
	if c.Say != nil {
		c.Say(fmt.Sprintf(format, args...))
	}
}

// InAgentsShell reports whether the caller is an agent of the fleet in h, or a program that such an agent started.
func (c Caller) InAgentsShell(h home.Dir) bool {
	if c.Getenv(environ.Task) == "" {
		return false
	}
	file := c.Getenv(environ.StatusFile)
	return file == "" || filepath.Dir(file) == h.StatusDir()
}

// Fleet is one state directory with its settings, as one caller sees it.
type Fleet struct {
	Caller
	Home       home.Dir
	UserConfig string        // path of the user's configuration; the file may be missing
	Config     config.Config // the user's configuration, without any project's
	Saved      []string      // the environment with which the fleet was started
}

// Open reads the caller's state directory and makes it if it is missing. It starts nothing.
func Open(c Caller) (Fleet, error) {
	h, userConfig, err := home.Find(c.Getenv)
	if err != nil {
		return Fleet{}, err
	}
	if err := h.Create(); err != nil {
		return Fleet{}, c.fenced(h, err)
	}
	cfg, err := config.Load(userConfig, "")
	if err != nil {
		return Fleet{}, err
	}
	saved, err := environ.Load(h.Env())
	if errors.Is(err, fs.ErrPermission) && c.InAgentsShell(h) {
		return Fleet{}, c.fenced(h, err)
	}
	if err != nil {
		saved = c.Environ // the fleet was never up, and `muster up` would save this environment
	}
	return Fleet{Caller: c, Home: h, UserConfig: userConfig, Config: cfg, Saved: saved}, nil
}

// fenced returns the error of a caller that may not reach a file of the fleet. An agent is told what it can do instead.
func (c Caller) fenced(h home.Dir, err error) error {
	if !c.InAgentsShell(h) || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return fault.Wrap(fault.Conflict, err, "a fence keeps this command from the fleet's log").
		WithHint("Inside the fence these work: muster done, note, check, ask and status set. To queue a task, or to send a message to one, ask a person: muster ask \"…\"")
}

// InAgentsShell reports whether the caller is an agent of this fleet, or a program that such an agent started. Such a
// caller must not change the fleet: it would replace the environment of all tasks by its own, or end them.
func (f Fleet) InAgentsShell() bool { return f.Caller.InAgentsShell(f.Home) }

// NeedEnv adds the variables that an order needs from the fleet's environment to the saved list, so that the next Up
// saves them.
func (f Fleet) NeedEnv(names []string) error {
	known := f.envNames()
	var news []string
	for _, n := range names {
		if !slices.Contains(known, n) && !slices.Contains(news, n) {
			news = append(news, n)
		}
	}
	if len(news) == 0 {
		return nil
	}
	file, err := regular.OpenFile(f.Home.EnvNames(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = file.WriteString(strings.Join(news, "\n") + "\n")
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		return fault.Wrap(fault.Failed, err, "save the names in env_from").WithHint("Make %s writable.", f.Home)
	}
	return nil
}

// maxEnvNames bounds the file with the list of names, in bytes.
const maxEnvNames = 1 << 20

// envNames returns the variables that orders may use in addition to the allow-list: those of the user's configuration
// and those that earlier orders named.
func (f Fleet) envNames() []string {
	var names []string
	for _, a := range f.Config.Agents {
		names = append(names, a.EnvFrom...)
	}
	for _, a := range f.Config.Accounts {
		names = slices.AppendSeq(names, maps.Values(a.EnvFrom))
	}
	for _, c := range f.Config.Notify.Channels {
		names = append(names, c.Variables()...)
	}
	if data, err := regular.Read(f.Home.EnvNames(), maxEnvNames); err == nil {
		names = append(names, strings.Fields(string(data))...)
	}
	return names
}

// Server returns the fleet's tmux server. Its environment is reduced to the allow-list, because every pane inherits
// it.
func (f Fleet) Server() *tmux.Server {
	env, _ := environ.ForLaunch(f.Saved, nil)
	scope, _ := host.ReadLogind().Advice()
	return tmux.New(tmux.Config{
		Socket: f.Home.Socket(), ConfPath: f.Home.TmuxConf(), UserConf: f.Config.Fleet.TmuxConf, Env: env, Scope: scope, ScopeEnv: scopeEnv(env),
	})
}

// scopeEnv returns what the start of a scope needs and an environment lacks.
func scopeEnv(env []string) []string {
	if dir, ok := environ.Lookup(env, "XDG_RUNTIME_DIR"); ok && dir != "" {
		return nil
	}
	return []string{"XDG_RUNTIME_DIR=" + host.RuntimeDir()}
}

// Slots returns the number of agents that may run at the same time.
func (f Fleet) Slots() int {
	if f.Config.Fleet.MaxAgents > 0 {
		return f.Config.Fleet.MaxAgents
	}
	mem, err := host.Mem()
	if err != nil {
		return config.DefaultMaxAgents(0, host.Cores())
	}
	return config.DefaultMaxAgents(mem.Total, host.Cores())
}

// MaxChecks returns the number of checks that may run at the same time.
func (f Fleet) MaxChecks() int {
	if f.Config.Fleet.MaxChecks > 0 {
		return f.Config.Fleet.MaxChecks
	}
	return max(1, host.Cores()/2)
}

// environ returns the environment for a program of this fleet.
func (f Fleet) environ(env []string) []string {
	return environ.Overlay(env, environ.Home+"="+string(f.Home))
}
