package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"muster/internal/boot"
	"muster/internal/fault"
	"muster/internal/fleet"
	"muster/internal/home"
	"muster/internal/keeper"
)

// Env is the environment of one call. This package reads nothing of it from elsewhere, so that two calls can run in
// one test.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Environ        []string // NAME=VALUE
	Dir            string   // working directory
	Exe            string   // path of this program
	Now            func() time.Time
	// Wrap replaces edges of a supervisor, for the failpoints of tests. It is nil outside tests.
	Wrap func(fleet.Config) fleet.Config
	// progress tells what a slow verb waits for; nil says nothing.
	progress *progress
	// KeeperClock is the keeper's clock; tests use a faster one. nil is the real clock.
	KeeperClock keeper.Clock
}

// OSEnv returns the environment of this process.
func OSEnv() (Env, error) {
	exe, err := os.Executable()
	if err == nil {
		exe, err = filepath.EvalSymlinks(exe)
	}
	if err != nil {
		return Env{}, fault.Wrap(fault.Failed, err, "find the path of this program")
	}
	env := Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Environ: os.Environ(), Exe: exe, Now: time.Now,
	}
	if env.Dir, err = os.Getwd(); err != nil {
		return env, fault.Wrap(fault.Failed, fmt.Errorf("%w: %w", errNoDir, err), "find the working directory").
			WithHint("Change to a directory that exists.")
	}
	return env, nil
}

// errNoDir is the error of OSEnv if only the working directory is missing.
var errNoDir = errors.New("no such directory")

// Getenv returns the value of a variable; "" if it is not set.
func (e Env) Getenv(name string) string {
	v, _ := e.Lookup(name)
	return v
}

// Lookup returns the value of a variable and reports whether it is set. If it is set more than once, the last value
// counts.
func (e Env) Lookup(name string) (value string, ok bool) {
	for _, kv := range e.Environ {
		if len(kv) > len(name) && kv[len(name)] == '=' && kv[:len(name)] == name {
			value, ok = kv[len(name)+1:], true
		}
	}
	return value, ok
}

// path returns the absolute path of an argument.
func (e Env) path(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(e.Dir, p)
}

// home returns the state directory and the path of the user's configuration.
func (e Env) home() (home.Dir, string, error) { return home.Find(e.Getenv) }

// warn writes a line to standard error.
func (e Env) warn(line string) { e.progress.print(e.Stderr, line+"\n") }

// caller returns this call in the form that other packages use.
func (e Env) caller() boot.Caller {
	return boot.Caller{Environ: e.Environ, Exe: e.Exe, Now: e.Now, Stderr: e.Stderr, KeeperClock: e.KeeperClock, Say: e.progress.say}
}

// openFleet opens the fleet of this call's environment. It starts nothing.
func openFleet(env Env) (boot.Fleet, error) { return boot.Open(env.caller()) }
