package program

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"muster/internal/run"
)

// Temp is a program in a temporary directory that all tests of a package share. It is built at its first use.
type Temp struct {
	Name string                  // name of the file
	Make func(path string) error // writes the file

	once sync.Once
	dir  string
	err  error
}

// Path returns the path of the program.
func (p *Temp) Path() (string, error) {
	p.once.Do(func() {
		// $TMPDIR may be too long for the sockets that are beside some programs.
		if p.dir, p.err = os.MkdirTemp("/tmp", "muster-bin-"); p.err == nil {
			p.err = p.Make(filepath.Join(p.dir, p.Name))
		}
	})
	return filepath.Join(p.dir, p.Name), p.err
}

// Remove removes the program, if it was built. TestMain calls it after the last test.
func (p *Temp) Remove() {
	if p.dir != "" {
		_ = os.RemoveAll(p.dir)
	}
}

// Build builds the main package at the import path pkg into the file out. The flags are those of `make build`, so that
// both share the build cache.
func Build(out, pkg string) error {
	return build("build", "-trimpath", "-ldflags=-s -w", "-o", out, pkg)
}

// BuildTest builds the tests of the package in the working directory into the file out, with further linker flags.
func BuildTest(out, linkerFlags string) error {
	return build("test", "-c", "-trimpath", "-ldflags=-s -w "+linkerFlags, "-o", out, ".")
}

// build calls the go command. It has as long as a package's tests may take: a cold cache takes minutes.
func build(args ...string) error {
	_, err := run.Do(context.Background(), run.Cmd{
		Argv: append([]string{"go"}, args...), Env: append(os.Environ(), "CGO_ENABLED=0"), Timeout: 10 * time.Minute,
	})
	if err != nil {
		return fmt.Errorf("build a program for tests: %w", err)
	}
	return nil
}
