package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
	_ "modernc.org/sqlite" // the driver

	"muster/internal/event"
	"muster/internal/host"
	"muster/internal/tmux"
)

// The floors of the two latencies are separate processes, as the supervisor is one. They do the least that is
// comparable: get the notification from the kernel, find out what happened, and commit one row.
const (
	roleVariable = "MUSTER_BENCH_ROLE"
	roleStatus   = "status" // a line in a file
	roleDeath    = "death"  // the end of a process in a pane
)

// playRole runs the process that startFloor starts.
func playRole(role string) error {
	dir := os.Args[1]
	switch role {
	case roleStatus:
		return statusFloor(dir)
	case roleDeath:
		return deathFloor(context.Background(), dir)
	}
	return fmt.Errorf("no such role: %q", role)
}

// floorDB returns a database with one table, with the same settings as that of muster.
func floorDB(dir string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "floor.db")+"?_pragma=busy_timeout(5000)&_pragma=synchronous(NORMAL)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	_, err = db.Exec("PRAGMA journal_mode=WAL; CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY, data TEXT)")
	return db, err
}

// statusFloor commits a row for each line of a file.
func statusFloor(dir string) error {
	db, err := floorDB(dir)
	if err != nil {
		return err
	}
	insert, err := db.Prepare("INSERT INTO events (data) VALUES (?)")
	if err != nil {
		return err
	}
	fs, err := fsnotify.NewBufferedWatcher(256)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "lines.jsonl")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	if err := fs.Add(dir); err != nil {
		return err
	}
	f, err := os.Open(path) //nolint:gosec // a file of the benchmark
	if err != nil {
		return err
	}
	fmt.Println("ready")
	buf := make([]byte, 64<<10)
	for ev := range fs.Events {
		if ev.Name != path {
			continue
		}
		n, err := f.Read(buf)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		for _, line := range splitLines(buf[:n]) {
			var r event.Record
			if err := json.Unmarshal(line, &r); err != nil {
				return err
			}
			if _, err := insert.Exec(string(line)); err != nil {
				return err
			}
		}
	}
	return nil
}

// deathFloor starts panes that sleep, prints their processes, and commits a row for the end of each.
func deathFloor(ctx context.Context, dir string) error {
	db, err := floorDB(dir)
	if err != nil {
		return err
	}
	insert, err := db.Prepare("INSERT INTO events (data) VALUES (?)")
	if err != nil {
		return err
	}
	deaths, err := host.NewDeaths()
	if err != nil {
		return err
	}
	go func() { _ = deaths.Serve(ctx) }()
	server := tmux.New(tmux.Config{Socket: filepath.Join(dir, "s"), ConfPath: filepath.Join(dir, "conf"), Env: os.Environ()})
	if _, err := server.Start(ctx, tmux.HubSpec{Session: "hub", Dir: dir, Argv: []string{"sleep", "1000"}}); err != nil {
		return err
	}
	client, err := server.Connect(ctx)
	if err != nil {
		return err
	}
	go func() {
		for range client.Events() { // the events are not needed
			continue
		}
	}()
	var n int
	if _, err := fmt.Sscan(os.Args[2], &n); err != nil {
		return err
	}
	for i := range n {
		p, err := client.Open(ctx, tmux.OpenSpec{
			Session: fmt.Sprintf("s%d", i), Window: "agent", Dir: dir, Argv: []string{"sleep", "1000"}, Task: "t1", Gen: i,
		})
		if err != nil {
			return err
		}
		proc, err := host.Identify(p.PID)
		if err != nil {
			return err
		}
		if err := deaths.Watch(proc, p.ID); err != nil {
			return err
		}
		fmt.Println(p.PID)
	}
	fmt.Println("ready")
	for d := range deaths.C() {
		pane, _ := d.Token.(tmux.PaneID)
		exit, signal, known, err := client.ExitStatus(ctx, pane)
		if err != nil || !known {
			return fmt.Errorf("exit status of %s (%v): %w", pane, known, err)
		}
		if _, err := insert.Exec(fmt.Sprint(exit, signal)); err != nil {
			return err
		}
	}
	return nil
}

// floor is a running process of one of the roles, and its database.
type floor struct {
	cmd  *exec.Cmd
	said []string // its output before it was ready
	db   *sql.DB
	last *sql.Stmt
	wal  walWatch
	seq  int64
}

// startFloor starts a role in a directory and waits until it is ready.
func startFloor(ctx context.Context, role, dir string, args ...string) (*floor, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	f := &floor{cmd: exec.CommandContext(ctx, self, append([]string{dir}, args...)...)}
	f.cmd.Env, f.cmd.Stderr = append(os.Environ(), roleVariable+"="+role), os.Stderr
	out, err := f.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := f.cmd.Start(); err != nil {
		return nil, err
	}
	for in := bufio.NewScanner(out); ; {
		if !in.Scan() {
			return f, fmt.Errorf("the floor of %s ended", role)
		}
		if in.Text() == "ready" {
			break
		}
		f.said = append(f.said, strings.TrimSpace(in.Text()))
	}
	if f.db, err = floorDB(dir); err != nil {
		return f, err
	}
	if f.last, err = f.db.Prepare("SELECT ifnull(max(seq), 0) FROM events"); err != nil {
		return f, err
	}
	f.wal, err = watchWAL(filepath.Join(dir, "floor.db"))
	return f, err
}

// awaitRow returns when the database has one more row.
func (f *floor) awaitRow(ctx context.Context) error {
	for end := time.Now().Add(patience); time.Now().Before(end) && ctx.Err() == nil; f.wal.wait() {
		var seq int64
		if err := f.last.QueryRowContext(ctx).Scan(&seq); err != nil {
			return err
		}
		if seq > f.seq {
			f.seq = seq
			return nil
		}
	}
	return errors.Join(errors.New("the floor did not commit"), ctx.Err())
}

// close ends the process.
func (f *floor) close() {
	if f == nil {
		return
	}
	kill(f.cmd.Process.Pid)
	_ = f.cmd.Wait()
	if f.wal.fs != nil {
		_ = f.wal.fs.Close()
	}
	if f.db != nil {
		_ = f.db.Close()
	}
}
