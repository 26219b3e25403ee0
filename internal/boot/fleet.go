package boot

import (
	"io"
	"strings"
	"time"

	"muster/internal/environ"
	"muster/internal/keeper"

	"muster/internal/config"
	"muster/internal/home"
	"muster/internal/host"
	"muster/internal/tmux"
)

// HubSession is the session that the tmux server starts with. The keeper runs there, and so does the supervisor.
const HubSession = "muster"

// Caller is the process that acts on a fleet. The package reads the environment, the clock and the program from
// nowhere else, so that two callers can live in one test.
type Caller struct {
	Environ     []string // NAME=VALUE
	Exe         string   // the path of the program itself; "" for a caller that never starts a fleet
	Now         func() time.Time
	Stderr      io.Writer    // where the keeper and the supervisor log for people
	KeeperClock keeper.Clock // nil is the real clock; tests have less patience
}

// Getenv looks a variable up; "" if it is not set. The last one counts, as in a process.
func (c Caller) Getenv(name string) string {
	value := ""
	for _, kv := range c.Environ {
		if k, v, ok := strings.Cut(kv, "="); ok && k == name {
			value = v
		}
	}
	return value
}

// Fleet is what belongs to one state directory, as one caller sees it.
type Fleet struct {
	Caller
	Home       home.Dir
	UserConfig string        // the path of the user's configuration; the file need not exist
	Config     config.Config // the user's configuration, without any project's
	Saved      []string      // the environment that the fleet was started with
}

// Open reads what belongs to the caller's state directory, and makes that directory if it is not there. It starts
// nothing.
func Open(c Caller) (Fleet, error) {
	h, userConfig, err := home.Find(c.Getenv)
	if err != nil {
		return Fleet{}, err
	}
	if err := h.Create(); err != nil {
		return Fleet{}, err
	}
	cfg, err := config.Load(userConfig, "")
	if err != nil {
		return Fleet{}, err
	}
	saved, err := environ.Load(h.Env())
	if err != nil {
		saved = c.Environ // the fleet was never up: `muster up` would save the caller's environment
	}
	return Fleet{Caller: c, Home: h, UserConfig: userConfig, Config: cfg, Saved: saved}, nil
}

// Server describes the fleet's tmux server. Its environment is reduced to the allow-list, since every pane inherits it.
func (f Fleet) Server() *tmux.Server {
	env, _ := environ.ForLaunch(f.Saved, nil)
	scope, _ := host.ReadLogind().Advice()
	return tmux.New(tmux.Config{
		Socket: f.Home.Socket(), ConfPath: f.Home.TmuxConf(), UserConf: f.Config.Fleet.TmuxConf, Env: env, Scope: scope,
	})
}

// Slots is how many agents may run at once.
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

// MaxChecks is how many checks may run at once.
func (f Fleet) MaxChecks() int {
	if f.Config.Fleet.MaxChecks > 0 {
		return f.Config.Fleet.MaxChecks
	}
	return max(1, host.Cores()/2)
}

// With returns env with vars set in it.
func With(env []string, vars map[string]string) []string {
	var out []string
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		if _, replaced := vars[name]; !replaced {
			out = append(out, kv)
		}
	}
	for k, v := range vars {
		out = append(out, k+"="+v)
	}
	return out
}

// Overlay returns env with the NAME=VALUE pairs of more set in it.
func Overlay(env, more []string) []string {
	vars := map[string]string{}
	for _, kv := range more {
		name, value, _ := strings.Cut(kv, "=")
		vars[name] = value
	}
	return With(env, vars)
}

// environ is the environment in which a program of this fleet is started.
func (f Fleet) environ(env []string) []string {
	return Overlay(env, []string{"MUSTER_HOME=" + string(f.Home)})
}
