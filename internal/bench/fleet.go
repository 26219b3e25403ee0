package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"muster/internal/event"
	"muster/internal/home"
	"muster/internal/store"
)

// world is a private fleet with a repository of its own.
type world struct {
	b    *bench
	dir  string
	home home.Dir
	repo string
	env  []string
}

// newWorld returns a fleet that is not up yet. The caller must call close.
func (b *bench) newWorld(ctx context.Context, slots int) (*world, error) {
	dir, err := os.MkdirTemp(b.dir, "f") // a short path, because it contains a socket
	if err != nil {
		return nil, err
	}
	w := &world{b: b, dir: dir, home: home.Dir(filepath.Join(dir, "h")), repo: filepath.Join(dir, "r")}
	w.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "USER=bench", "LANG=C.UTF-8", "SHELL=/bin/sh", "TERM=xterm-256color",
		"MUSTER_HOME=" + string(w.home), "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=b", "GIT_AUTHOR_EMAIL=b@localhost", "GIT_COMMITTER_NAME=b", "GIT_COMMITTER_EMAIL=b@localhost",
	}
	conf := fmt.Sprintf("[fleet]\nmax_agents = %d\nmin_free_memory = \"64MiB\"\nmin_free_disk = \"64MiB\"\n", slots)
	if err := w.home.Create(); err != nil {
		return w, err
	}
	if err := os.WriteFile(filepath.Join(string(w.home), "config.toml"), []byte(conf), 0o600); err != nil {
		return w, err
	}
	script := `git init -q -b main "$0" && cd "$0" && mkdir src && for i in 1 2 3 4 5 6 7 8 9; do echo "$i" > src/$i.txt; done &&
		git add -A && git commit -q -m first`
	return w, w.sh(ctx, script, w.repo)
}

// close ends everything that belongs to the fleet and removes it.
func (w *world) close() error {
	if w == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	_, downErr := w.muster(ctx, "down", "--kill", "--timeout", "60s")
	if downErr != nil {
		downErr = fmt.Errorf("take the fleet down: %w", downErr)
	}
	for range 5 {
		left := w.processes()
		if len(left) == 0 {
			break
		}
		for _, p := range left {
			_ = syscall.Kill(p, syscall.SIGKILL)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return errors.Join(downErr, os.RemoveAll(w.dir))
}

// processes returns the processes that have the fleet's directory in their command line or environment.
func (w *world) processes() []int {
	var out []int
	for _, p := range pids() {
		for _, file := range []string{"cmdline", "environ"} {
			data, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p, file))
			if err == nil && p != os.Getpid() && bytes.Contains(data, []byte(w.dir+"/")) {
				out = append(out, p)
				break
			}
		}
	}
	return out
}

// pids returns the ids of all processes.
func pids() []int {
	entries, _ := os.ReadDir("/proc")
	var out []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil {
			out = append(out, n)
		}
	}
	return out
}

// sh runs a shell script. Its arguments begin with $0.
func (w *world) sh(ctx context.Context, script string, args ...string) error {
	cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{"-ec", script}, args...)...)
	cmd.Dir, cmd.Env = w.dir, w.env
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// muster runs a verb in the repository.
func (w *world) muster(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, w.b.bin, args...)
	cmd.Dir, cmd.Env = w.repo, w.env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("muster %s: %w\n%s", strings.Join(args, " "), err, errs.String())
	}
	return out.Bytes(), nil
}

// tasks writes a file of n equal tasks. The keys are those of the flags of dispatch.
func (w *world) tasks(n int, prompt string, keys ...string) (string, error) {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "[[task]]\nname = \"task %d\"\nprompt = '''\n%s\n'''\nno_checks = true\n%s\n", i+1, prompt, strings.Join(keys, "\n"))
	}
	path := filepath.Join(w.dir, "tasks.toml")
	return path, os.WriteFile(path, []byte(b.String()), 0o600)
}

// script writes a program for an agent.
func (w *world) script(name, text string) (string, error) {
	path := filepath.Join(w.dir, name)
	return path, os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700) //nolint:gosec // it is a program
}

// asleep returns a world whose fleet has n agents that sleep. The caller must close it if there is no error.
func (b *bench) asleep(ctx context.Context, n int) (*world, error) {
	w, err := b.newWorld(ctx, n)
	if err != nil {
		return nil, err
	}
	program, err := w.script("agent", "exec sleep 1000")
	if err == nil {
		err = w.sleepers(ctx, n, program)
	}
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

// sleepers brings up a fleet of n agents that do nothing, and returns when all of them run.
func (w *world) sleepers(ctx context.Context, n int, program string) error {
	path, err := w.tasks(n, "sleep", "command = \""+program+"\"", "publish = \"none\"", "attempts = 1")
	if err != nil {
		return err
	}
	if _, err := w.muster(ctx, "dispatch", "--file", path); err != nil {
		return err
	}
	log, err := w.log(ctx)
	if err != nil {
		return err
	}
	defer log.close()
	launched := 0
	for launched < n {
		e, err := log.next(ctx)
		if err != nil {
			return fmt.Errorf("%d of %d agents run: %w", launched, n, err)
		}
		if e.Kind() == (event.AgentLaunched{}).Kind() {
			launched++
		}
	}
	return w.quiet(ctx)
}

// quiet returns when the log has not grown for a second.
func (w *world) quiet(ctx context.Context) error {
	s, err := store.Open(ctx, w.home.DB(), store.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	last, since := int64(-1), time.Now()
	for time.Since(since) < time.Second {
		seq, err := s.LastSeq(ctx)
		if err != nil {
			return err
		}
		if seq != last {
			last, since = seq, time.Now()
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

// supervisor returns the process id of the supervisor in the log.
func (w *world) supervisor(ctx context.Context) (int, error) {
	s, err := store.Open(ctx, w.home.DB(), store.Options{ReadOnly: true})
	if err != nil {
		return 0, err
	}
	defer func() { _ = s.Close() }()
	row, err := s.Fleet(ctx)
	return row.Supervisor.PID, err
}
