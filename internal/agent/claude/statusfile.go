package claude

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/regular"
	"muster/internal/status"
	"muster/internal/text"
)

// Names of the agent's files, for stored offsets.
const (
	sessionSource    = "claude.session"
	transcriptSource = "transcript"
)

// Sources implements agent.Adapter. The agent's own status file of this process is the only source for a turn that a
// person interrupted. The transcript is the only proof that a running turn received a message.
func (c adapter) Sources(l agent.Launch, pid int) []status.Source {
	path := transcriptPath(l)
	sources := []status.Source{{
		Task: l.Task, Gen: l.Gen, Name: transcriptSource, Path: path,
		Parse: newTranscript(l, path, readiedAt(l)).parse,
	}}
	if pid > 0 {
		s := &sessionParser{pid: pid, hooks: l.Home.StatusFile(l.Task, l.Gen), alias: agentSession(l) + "=" + l.Conversation}
		sources = append(sources, status.Source{
			Task: l.Task, Gen: l.Gen, Name: sessionSource, Whole: true, Parse: s.parse,
			Path: filepath.Join(configDir(l.Env), "sessions", strconv.Itoa(pid)+".json"),
		})
	}
	return sources
}

// readiedAt returns when the files of the generation were written; the zero time if they were not.
func readiedAt(l agent.Launch) time.Time {
	st, err := os.Stat(filepath.Join(l.Dirs().RO(), sessionName))
	if err != nil {
		return time.Time{}
	}
	return st.ModTime()
}

// sessionParser translates the agent's status file of one process. It is used by one goroutine at a time.
type sessionParser struct {
	pid   int
	hooks string // the status file in which our hooks write
	alias string // see pinned
	last  sessionFile
	begun bool // a turn has begun
}

type sessionFile struct {
	PID        int    `json:"pid"`
	SessionID  string `json:"sessionId"`
	Status     string `json:"status"`
	WaitingFor string `json:"waitingFor"`
	Since      int64  `json:"statusUpdatedAt"` // milliseconds
}

// parse returns a record for each change of the status. The record's time is that of the change, so that a reader can
// tell whether a hook reported later.
func (p *sessionParser) parse(data []byte) ([]event.Record, error) {
	var s sessionFile
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, nil
	}
	if !json.Valid(data) {
		return nil, nil // the agent is rewriting the file in place; another read follows
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("the agent's status file: %w", err)
	}
	if s.PID != p.pid || s == p.last || s.Status == "" {
		return nil, nil
	}
	r := event.Record{Src: event.SrcStatusFile, SessionID: pinned(s.SessionID, p.alias)}
	if s.Since > 0 {
		r.Time = time.UnixMilli(s.Since).UTC()
	}
	switch s.Status {
	case "busy":
		r.State = event.RecordWorking
	case "shell":
		r.State, r.Background = event.RecordWorking, true
	case "idle":
		r.State = event.RecordIdle
	case "waiting":
		r.State, r.Reason, r.Note = event.RecordWaiting, event.WaitPermission, s.WaitingFor
		// "input needed" is a question of the agent (2.1.332), which its permission hook holds as well.
		if s.WaitingFor != "permission prompt" && s.WaitingFor != "input needed" {
			r.Reason = event.WaitDialog
		}
	default:
		return nil, fmt.Errorf("the agent's status file: unknown status %q", text.Field(s.Status, 40))
	}
	p.last = s
	if hooks := lastHooks(p.hooks); r.State == event.RecordIdle && hooks.last.Stopping {
		r.Stopping, r.Background = true, hooks.last.Background
	}
	if !p.speaks(r) {
		return nil, nil
	}
	return []event.Record{r}, nil
}

// speaks reports whether a status adds to what the hooks reported. It ignores idle before the first prompt, which
// ends no turn. It ignores a permission, which the hook holds: some tenths of a second earlier or later it would be a
// second request that cannot be answered. It ignores the menu of a usage limit, which asks nothing else. It ignores busy after a hook
// has reported that the turn failed: the program writes it some tenths of a second later while that turn comes to its end. What
// begins then is reported by a hook.
func (p *sessionParser) speaks(r event.Record) bool {
	if r.State != event.RecordIdle {
		p.begun = true
	}
	hooks := lastHooks(p.hooks)
	if r.State == event.RecordIdle && !p.begun {
		p.begun = hooks.prompted
		return p.begun
	}
	failed := hooks.last.State == event.RecordLimited || hooks.last.State == event.RecordError
	if r.State == event.RecordWorking && failed {
		return false
	}
	switch r.Reason {
	case event.WaitPermission:
		return !hooks.work
	case event.WaitDialog:
		return !failed
	case event.WaitQuestion:
	}
	return true
}

// hookTail is the end of a status file.
type hookTail struct {
	last     event.Record // the last record of a hook
	work     bool         // hooks have reported
	prompted bool
}

// lastHooks reads the end of a status file.
func lastHooks(path string) hookTail {
	var t hookTail
	for line := range bytes.SplitSeq(readTail(path, 256<<10), []byte("\n")) {
		r, err := status.Parse(line)
		if err != nil || r.Src != event.SrcHook {
			continue
		}
		t.last, t.work = r, true
		t.prompted = t.prompted || r.Prompted || r.Stopping || r.State == event.RecordIdle
	}
	return t
}

// launchedPID returns the process that the launcher recorded at the start of a status file; 0 if there is none.
func launchedPID(path string) int {
	f, err := regular.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close() //nolint:errcheck // only read
	head, err := io.ReadAll(io.LimitReader(f, 4<<10))
	if err != nil {
		return 0
	}
	for line := range bytes.SplitSeq(head, []byte("\n")) {
		if r, err := status.Parse(line); err == nil && r.State == event.RecordLaunched && r.PID > 0 {
			return r.PID
		}
	}
	return 0
}

// readTail reads at most the last limit bytes of a file, from the beginning of a line; nil after an error.
func readTail(path string, limit int64) []byte {
	f, err := agent.OpenSetup(path)
	if err != nil {
		return nil
	}
	defer f.Close() //nolint:errcheck // only read
	st, err := f.Stat()
	if err != nil {
		return nil
	}
	start := max(0, st.Size()-limit)
	b := make([]byte, st.Size()-start)
	n, _ := f.ReadAt(b, start)
	b = b[:n]
	if start > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			return nil
		}
		b = b[i+1:]
	}
	return b
}
