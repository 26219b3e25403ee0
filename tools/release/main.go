// Command release builds everything that a release consists of, and publishes nothing: archives, packages for Debian and
// Red Hat, a Homebrew formula, a bill of materials for each program, and checksums.
//
//	release [-out DIR] [-url URL] ROOT
//
// ROOT is a checkout of the project. All files have the time of its commit, so that two builds of one commit are equal.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// target is a system for which the program is built.
type target struct{ os, arch string }

func (t target) String() string { return t.os + "_" + t.arch }

var targets = []target{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}}

// maxSize is the greatest size of the program in bytes.
const maxSize = 25 << 20

// release is one release that is being built.
type release struct {
	root, out string
	url       string // the place of the archives
	version   string // as `muster version` says it, without the leading v
	time      time.Time
	host      string   // the program of this machine, which writes manual pages and completions
	made      []string // names of the files in out
}

func main() {
	out := flag.String("out", "dist", "write into `DIR`, which is emptied first")
	url := flag.String("url", "", "`URL` of the directory that will hold the archives, for the formula (default: DIR itself)")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: release [-out DIR] [-url URL] ROOT")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *out, *url); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(root, out, url string) error {
	r := &release{url: url}
	var err error
	if r.root, err = filepath.Abs(root); err != nil {
		return err
	}
	if r.out, err = filepath.Abs(out); err != nil {
		return err
	}
	if r.url == "" {
		r.url = "file://" + r.out
	}
	work, err := os.MkdirTemp("", "muster-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := r.begin(work); err != nil {
		return err
	}
	common, err := r.documents(work)
	if err != nil {
		return err
	}
	sums := map[target]string{} // of the archives
	for _, t := range targets {
		fmt.Printf("%s\n", t)
		program, err := r.build(work, t)
		if err != nil {
			return err
		}
		if sums[t], err = r.archive(t, program, common); err != nil {
			return err
		}
		if err := r.materials(t, program); err != nil {
			return err
		}
		if t.os != "linux" {
			continue
		}
		for _, format := range []string{"deb", "rpm"} {
			if err := r.pack(format, t, program, common); err != nil {
				return fmt.Errorf("%s of %s: %w", format, t, err)
			}
		}
	}
	if err := r.formula(sums); err != nil {
		return err
	}
	if err := r.checksums(); err != nil {
		return err
	}
	for _, name := range r.made {
		fmt.Println("  " + filepath.Join(out, name))
	}
	return nil
}

// begin empties the directory, builds the program of this machine, and asks it for its version.
func (r *release) begin(work string) error {
	// Only what an earlier release made is removed, so that a wrong -out costs nothing.
	if entries, err := os.ReadDir(r.out); err == nil {
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), "muster") && e.Name() != "checksums.txt" {
				return fmt.Errorf("%s holds %s, which is no part of a release: name another directory by -out", r.out, e.Name())
			}
		}
		if err := os.RemoveAll(r.out); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	seconds, err := r.output("git", "log", "-1", "--format=%ct")
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(seconds), 10, 64)
	if err != nil {
		return fmt.Errorf("the time of the commit: %w", err)
	}
	r.time = time.Unix(n, 0).UTC()
	r.host = filepath.Join(work, "muster")
	if err := r.compile(r.host); err != nil {
		return err
	}
	text, err := r.output(r.host, "version", "--json")
	if err != nil {
		return err
	}
	var v struct{ Version string }
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return fmt.Errorf("the version of the program: %w", err)
	}
	if !strings.HasPrefix(v.Version, "v") {
		return fmt.Errorf("the program says that its version is %q: build a clone, in which git and go know the commit", v.Version)
	}
	if strings.HasSuffix(v.Version, "+dirty") {
		return errors.New("the checkout has changes that are not committed: commit them, or build a clone")
	}
	r.version = strings.TrimPrefix(v.Version, "v")
	fmt.Printf("muster %s\n", r.version)
	return nil
}

// compile builds the program with the flags of `make build`.
func (r *release) compile(path string, env ...string) error {
	c := exec.Command("go", "build", "-trimpath", "-buildvcs=true", "-ldflags=-s -w", "-o", path, "./cmd/muster")
	c.Dir, c.Stderr = r.root, os.Stderr
	c.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS="), env...)
	if err := c.Run(); err != nil {
		return fmt.Errorf("build with %s: %w", strings.Join(env, " "), err)
	}
	return nil
}

// build builds the program for a target and returns its path.
func (r *release) build(work string, t target) (string, error) {
	path := filepath.Join(work, t.String(), "muster")
	if err := r.compile(path, "GOOS="+t.os, "GOARCH="+t.arch); err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.Size() > maxSize {
		return "", fmt.Errorf("the program for %s has %d bytes, and may have %d", t, info.Size(), maxSize)
	}
	return path, nil
}

// output runs a program in the checkout and returns what it prints.
func (r *release) output(name string, args ...string) (string, error) {
	c := exec.Command(name, args...)
	c.Dir, c.Stderr = r.root, os.Stderr
	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", filepath.Base(name), strings.Join(args, " "), err)
	}
	return string(out), nil
}
