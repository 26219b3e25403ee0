package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"muster/internal/boot"
	"muster/internal/life"
	"muster/internal/store"
	"muster/internal/words"
)

// Limits of a clock. Deadlines and the ends of limits are times of this machine; logins and certificates fail where it is wrong
// by minutes.
const (
	clockBehind = 5 * time.Second // behind the newest event
	clockDisk   = 5 * time.Second // between this machine and the file system of the state
	clockWrong  = 30 * time.Second
	clockBad    = 5 * time.Minute
	clockWait   = 5 * time.Second // for the answer of a server
	mostServers = 3
)

// preflightClock compares the clock with the newest event, with the file system of the state, and with the servers of the
// remotes that tasks push to.
func (c *Control) preflightClock(ctx context.Context, f boot.Fleet, db *store.Store, tasks []life.Task) []Finding {
	var out []Finding
	wrong := func(level, hint, format string, args ...any) {
		out = append(out, Finding{Check: "clock", Level: level, Text: fmt.Sprintf(format, args...), Hint: hint})
	}
	const set = "Set it, or let it be set: timedatectl set-ntp true"
	now := f.Now()
	if last, err := newestEvent(ctx, db); err == nil && last.Sub(now) > clockBehind {
		wrong(LevelError, set, "it is %s behind the newest event of the log: was it set back?", words.Duration(last.Sub(now)))
	}
	if skew, err := diskSkew(string(f.Home)); err == nil && skew.Abs() > clockDisk {
		wrong(LevelWarning, "Set the clock of the server of that disk.", "the file system of %s is %s %s", f.Home, words.Duration(skew.Abs()), direction(skew))
	}
	for _, server := range c.servers(ctx, tasks) {
		skew, err := serverSkew(ctx, server)
		switch {
		case err != nil: // the check of its push says what is wrong with it
		case skew.Abs() > clockBad:
			wrong(LevelError, set, "%s is %s %s", server, words.Duration(skew.Abs()), direction(skew))
		case skew.Abs() > clockWrong:
			wrong(LevelWarning, set, "%s is %s %s", server, words.Duration(skew.Abs()), direction(skew))
		}
	}
	if len(out) == 0 {
		out = append(out, Finding{Check: "clock", Level: LevelOK, Text: "it is not behind the log, and agrees with what could be asked"})
	}
	return out
}

// direction says where another clock is.
func direction(skew time.Duration) string {
	if skew > 0 {
		return "ahead of this machine"
	}
	return "behind this machine"
}

// newestEvent returns the time of the newest event; zero for an empty log.
func newestEvent(ctx context.Context, db *store.Store) (time.Time, error) {
	last, err := db.LastSeq(ctx)
	if err != nil || last == 0 {
		return time.Time{}, err
	}
	var at time.Time
	for e, err := range db.Events(ctx, store.EventFilter{After: last - 1, Limit: 1}) {
		if err != nil {
			return at, err
		}
		at = e.Time
	}
	return at, nil
}

// diskSkew returns by how much the clock of a directory's file system is ahead of this machine's.
func diskSkew(dir string) (time.Duration, error) {
	file, err := os.CreateTemp(dir, ".clock-*")
	if err != nil {
		return 0, err
	}
	defer os.Remove(file.Name()) //nolint:errcheck // an empty file
	before := time.Now()
	_, err = file.Write([]byte{0})
	if err := errors.Join(err, file.Close()); err != nil {
		return 0, err
	}
	st, err := os.Stat(filepath.Clean(file.Name()))
	if err != nil {
		return 0, err
	}
	return st.ModTime().Sub(before), nil
}

// servers returns the servers of the remotes that tasks push to, as far as they speak HTTP.
func (c *Control) servers(ctx context.Context, tasks []life.Task) (out []string) {
	seen := map[string]bool{"": true}
	for _, t := range tasks {
		if !works(t) || t.Spec.Remote == "" || len(out) == mostServers || seen[t.Spec.Repo+"\x00"+t.Spec.Remote] {
			continue
		}
		seen[t.Spec.Repo+"\x00"+t.Spec.Remote] = true
		repo, err := c.repository(ctx, t)
		if err != nil {
			continue // another check says so
		}
		server, err := repo.WebServer(ctx, t.Spec.Remote)
		if err == nil && !seen[server] {
			seen[server] = true
			out = append(out, server)
		}
	}
	return out
}

// serverSkew returns by how much the clock of a server is ahead of this machine's, to about a second.
func serverSkew(ctx context.Context, server string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, clockWait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, server, http.NoBody)
	if err != nil {
		return 0, err
	}
	asIs := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	before := time.Now()
	resp, err := asIs.Do(req)
	if e, ok := errors.AsType[*url.Error](err); ok {
		return 0, e.Err
	}
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close() //nolint:errcheck // it has none
	at, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return 0, err
	}
	return at.Add(time.Second / 2).Sub(before.Add(time.Since(before) / 2)), nil
}
