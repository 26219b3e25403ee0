package e2e

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"muster/internal/keeper"
)

// A version of muster, as used in tests of upgrades, is a copy of the program with a word appended. Some words make a
// broken supervisor:
const (
	sound = "sound"
	blind = "blind" // it cannot read the state
	quits = "quits" // it exits before it is ready
	hangs = "hangs" // it is never ready, and does not exit when told to
	moves = "moves" // it changes the format of the state, and exits before it is ready
)

const wordMark = "\nTHE WORD OF THIS VERSION: "

// version makes a version and returns its path.
func (f *Fleet) version(word string) string {
	f.t.Helper()
	from, err := program()
	if err != nil {
		f.t.Fatal(err)
	}
	data, err := os.ReadFile(from)
	if err != nil {
		f.t.Fatal(err)
	}
	path := filepath.Join(f.root, "muster-"+word)
	if err := os.WriteFile(path, append(data, wordMark+word...), 0o700); err != nil {
		f.t.Fatal(err)
	}
	return path
}

// wordOf returns the word of a version, or "" for the program itself.
func wordOf(exe string) string {
	file, err := os.Open(exe)
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	st, err := file.Stat()
	if err != nil {
		return ""
	}
	end := make([]byte, 100)
	n, _ := file.ReadAt(end, max(0, st.Size()-int64(len(end))))
	_, word, _ := bytes.Cut(end[:n], []byte(wordMark))
	return string(word)
}

// playBroken runs a supervisor of a broken version.
func playBroken(exe string, args []string) (status int, broken bool) {
	word := wordOf(exe)
	if slices.Contains(args, "--preflight") {
		if word == blind {
			fmt.Fprintln(os.Stderr, "muster: this is all Greek to me")
		}
		return 1, word == blind
	}
	if word == hangs {
		signal.Ignore(syscall.SIGTERM)
		time.Sleep(time.Hour)
	}
	if word == moves {
		if err := moveFormat(filepath.Join(os.Getenv("MUSTER_HOME"), "muster.db")); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	return 3, word == quits || word == moves
}

// moveFormat gives a database a later format.
func moveFormat(path string) error {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(context.Background(), "PRAGMA busy_timeout = 10000; BEGIN IMMEDIATE; ALTER TABLE tasks ADD COLUMN colour TEXT; DROP TABLE messages; PRAGMA user_version = 900; COMMIT")
	return errors.Join(err, db.Close())
}

// hurryFile exists if the fleet's keeper should have less patience.
func hurryFile(home string) string { return filepath.Join(home, "test-hurry") }

func hurrying(home string) keeper.Clock {
	if _, err := os.Stat(hurryFile(home)); err != nil {
		return nil
	}
	return hurriedClock{}
}

// hurriedClock cuts durations to a fifth.
type hurriedClock struct{}

func (hurriedClock) Now() time.Time { return time.Now() }

func (hurriedClock) Timer(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d / 5)
	return t.C, func() { t.Stop() }
}

// supervisedBy returns the word of the version that supervises now, or "-" unless there is exactly one supervisor.
func (f *Fleet) supervisedBy() string {
	all := f.playing("supervise")
	if len(all) != 1 {
		return "-"
	}
	return f.wordOfProcess(all[0])
}

// wordOfProcess returns the word of the version that a process runs, or "-" if it runs none of the fleet's own copies.
func (f *Fleet) wordOfProcess(pid int) string {
	for _, p := range f.processes() {
		if p.pid == pid && strings.HasPrefix(p.argv[0], f.home) {
			return wordOf(p.argv[0])
		}
	}
	return "-"
}
