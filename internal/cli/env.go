package cli

import (
	"io"
	"os"
	"path/filepath"
	"time"

	"muster/internal/fault"
	"muster/internal/home"
	"muster/internal/launch"
)

// Env is the world of one call: nothing in this package reads it from elsewhere, so that two calls can run in
// one test.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Environ        []string // NAME=VALUE
	Dir            string   // working directory
	Exe            string   // the program itself
	Now            func() time.Time
	// Point is called where the supervisor's world and record can differ (see points); tests die there. nil outside
	// tests.
	Point func(name string)
	// KeeperClock is the keeper's; tests have less patience. nil is the real one.
	KeeperClock launch.Clock
}

// OSEnv is the world of this process.
func OSEnv() (Env, error) {
	dir, err := os.Getwd()
	if err != nil {
		return Env{}, fault.Wrap(fault.Failed, err, "find the working directory").WithHint("Change to a directory that exists.")
	}
	exe, err := os.Executable()
	if err == nil {
		exe, err = filepath.EvalSymlinks(exe)
	}
	if err != nil {
		return Env{}, fault.Wrap(fault.Failed, err, "find the program itself")
	}
	return Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Environ: os.Environ(), Dir: dir, Exe: exe, Now: time.Now,
	}, nil
}

// Getenv looks a variable up.
func (e Env) Getenv(name string) string {
	v, _ := e.Lookup(name)
	return v
}

// Lookup looks a variable up and tells whether it is set; the last one counts, as in a process.
func (e Env) Lookup(name string) (value string, ok bool) {
	for _, kv := range e.Environ {
		if len(kv) > len(name) && kv[len(name)] == '=' && kv[:len(name)] == name {
			value, ok = kv[len(name)+1:], true
		}
	}
	return value, ok
}

// home is the state directory and the path of the user's configuration.
func (e Env) home() (home.Dir, string, error) { return home.Find(e.Getenv) }
