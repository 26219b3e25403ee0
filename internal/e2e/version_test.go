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

// A version of muster, for those who upgrade, is a copy of the program with a word behind its end. Some words make a
// supervisor that is broken:
const (
	sound = "sound"
	blind = "blind" // it does not understand the state
	quits = "quits" // it ends before it is ready
	hangs = "hangs" // it is never ready, and does not end when told to
	moves = "moves" // it changes the format of the state, and ends before it is ready
)

const wordMark = "\nTHE WORD OF THIS VERSION: "

// version makes one and gives its path.
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

// wordOf reads the word of a version; "" for the program itself.
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

// playBroken plays a supervisor of a broken version.
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

// moveFormat makes a database one of a later format.
func moveFormat(path string) error {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(context.Background(), "PRAGMA busy_timeout = 10000; BEGIN IMMEDIATE; ALTER TABLE tasks ADD COLUMN colour TEXT; DROP TABLE messages; PRAGMA user_version = 900; COMMIT")
	return errors.Join(err, db.Close())
}

// hurryFile is there where a fleet's keeper shall have less patience.
func hurryFile(home string) string { return filepath.Join(home, "test-hurry") }

func hurrying(home string) keeper.Clock {
	if _, err := os.Stat(hurryFile(home)); err != nil {
		return nil
	}
	return hurriedClock{}
}

// hurriedClock's durations are a fifth of what they should be.
type hurriedClock struct{}

func (hurriedClock) Now() time.Time { return time.Now() }

func (hurriedClock) Timer(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d / 5)
	return t.C, func() { t.Stop() }
}

// supervisedBy is the word of the version that supervises now, "-" if there is no one supervisor.
func (f *Fleet) supervisedBy() string {
	all := f.playing("supervise")
	if len(all) != 1 {
		return "-"
	}
	return f.wordOfProcess(all[0])
}

// wordOfProcess is the word of the version that a process plays; "-" for none of the fleet's own copies.
func (f *Fleet) wordOfProcess(pid int) string {
	for _, p := range f.processes() {
		if p.pid == pid && strings.HasPrefix(p.argv[0], f.home) {
			return wordOf(p.argv[0])
		}
	}
	return "-"
}
