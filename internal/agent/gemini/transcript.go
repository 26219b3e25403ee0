package gemini

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"muster/internal/agent"
	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/regular"
	"muster/internal/status"
	"muster/internal/text"
)

// The transcript is the agent's own record of a conversation, a JSON object on each line. A line appears again with more fields:
// the last one of an id counts.

const transcriptName = "transcript"

// transcriptLine is the part of a line that is used here.
type transcriptLine struct {
	ID        string          `json:"id"`
	SessionID string          `json:"sessionId"` // of the first line
	Time      time.Time       `json:"timestamp"`
	Type      string          `json:"type"`
	Content   json.RawMessage `json:"content"`
	Tokens    *tokens         `json:"tokens"`
	Model     string          `json:"model"` // that gave the answer
}

// tokens is the usage of one call of the model.
type tokens struct {
	Input    int64 `json:"input"` // with cached tokens
	Output   int64 `json:"output"`
	Cached   int64 `json:"cached"`
	Thoughts int64 `json:"thoughts"`
	Tool     int64 `json:"tool"`
}

// text returns the text of a line, without results of tools.
func (l transcriptLine) text() string {
	var one string
	if json.Unmarshal(l.Content, &one) == nil {
		return one
	}
	var parts []struct {
		Text string `json:"text"`
	}
	_ = json.Unmarshal(l.Content, &parts)
	var all []string
	for _, p := range parts {
		if p.Text != "" {
			all = append(all, p.Text)
		}
	}
	return strings.Join(all, "\n")
}

// prompt returns the text that a line makes part of the conversation as the user's; "" if it does not.
func (l transcriptLine) prompt() string {
	if l.Type != "user" {
		return ""
	}
	return l.text()
}

// cancels reports whether a line says that the turn was interrupted.
func (l transcriptLine) cancels() bool {
	return l.Type == "info" && strings.HasPrefix(l.text(), "Request cancelled")
}

// isTranscript reports whether a path is that of a conversation's transcript by its words. The agent's side names it.
func isTranscript(path, conversation string) bool {
	name := filepath.Base(path)
	return filepath.IsAbs(path) && filepath.Base(filepath.Dir(path)) == "chats" && len(conversation) >= 8 &&
		strings.HasPrefix(name, "session-") && strings.HasSuffix(name, "-"+conversation[:8]+".jsonl")
}

// transcriptOf returns the path of the transcript of a launch's conversation; "" if there is none. Its first line has the whole id.
func transcriptOf(l agent.Launch) string {
	if len(l.Conversation) < 8 {
		return ""
	}
	found, err := filepath.Glob(filepath.Join(configDir(l.Env), "tmp", "*", "chats", "session-*-"+l.Conversation[:8]+".jsonl"))
	if err != nil {
		return ""
	}
	best := ""
	for _, path := range found {
		_ = regular.EachLine(path, func(line []byte) bool {
			var head transcriptLine
			// A resumed agent makes a file that stays empty; the conversation goes on in the first.
			if json.Unmarshal(line, &head) == nil && head.SessionID == l.Conversation && (best == "" || path < best) {
				best = path
			}
			return false
		})
	}
	return best
}

// Sources implements agent.Adapter.
func (adapter) Sources(l agent.Launch, _ int) []status.Source {
	path := transcriptOf(l)
	if path == "" {
		return nil
	}
	out := []status.Source{{
		Task: l.Task, Gen: l.Gen, Name: transcriptName, Path: path,
		Parse: (&transcript{path: path, conversation: l.Conversation, since: readiedAt(l), usage: agent.NewTally(l.Spec)}).parse,
	}}
	if !isOurs(l.Env) {
		return out
	}
	return append(out, status.Source{
		Task: l.Task, Gen: l.Gen, Name: telemetryName, Path: telemetryPath(l), Ticks: true, // metrics, each ten seconds
		Parse: (&telemetry{conversation: l.Conversation}).parse,
	})
}

// isOurs reports whether a launch has the telemetry of its agent, which the user has not switched to another place.
func isOurs(env []string) bool {
	_, set := environ.Lookup(env, "GEMINI_TELEMETRY_ENABLED")
	s, err := readSettings(configDir(env))
	return err == nil && !set && s.Telemetry.Enabled == nil
}

// readiedAt returns when the files of the generation were written; the zero time if they were not.
func readiedAt(l agent.Launch) time.Time {
	st, err := regular.Open(filepath.Join(l.Dirs().RO(), modeName))
	if err != nil {
		return time.Time{}
	}
	defer st.Close() //nolint:errcheck // only read
	info, err := st.Stat()
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// transcript translates the lines of one conversation. It is used by one goroutine at a time.
type transcript struct {
	path, conversation string
	since              time.Time // when this generation was prepared; earlier states belong to another one
	primed             bool
	usage              *agent.Tally
}

// parse returns records for acknowledged messages, usage, and interrupted turns. Usage is the sum over the whole conversation and
// all its generations, so the first call reads the file from its beginning. Records about something else than the state have no
// state.
func (p *transcript) parse(line []byte) ([]event.Record, error) {
	if !p.primed {
		p.primed = true
		_ = regular.EachLine(p.path, func(line []byte) bool {
			var l transcriptLine
			if bytes.Contains(line, []byte(`"tokens"`)) && json.Unmarshal(line, &l) == nil {
				p.count(l)
			}
			return true
		})
	}
	var l transcriptLine
	if err := json.Unmarshal(line, &l); err != nil {
		return nil, fmt.Errorf("transcript: %w", err)
	}
	base := event.Record{Src: event.SrcTranscript, Time: l.Time.UTC(), SessionID: p.conversation, Transcript: p.path}
	switch {
	case l.SessionID != "" && l.SessionID != p.conversation:
		return nil, fmt.Errorf("transcript: it is of the conversation %s", text.Field(l.SessionID, 40))
	case l.prompt() != "":
		var out []event.Record
		for _, id := range agent.Tags(l.prompt()) {
			r := base
			r.Message = id
			out = append(out, r)
		}
		return out, nil
	case l.Tokens != nil && l.ID != "":
		p.count(l)
		sum := p.usage.Sum()
		base.Usage = &sum
		return []event.Record{base}, nil
	case l.cancels() && !l.Time.Before(p.since):
		base.State, base.Interrupted = event.RecordIdle, true
		return []event.Record{base}, nil
	}
	return nil, nil
}

// count adds the usage of a line once, by its id.
func (p *transcript) count(l transcriptLine) {
	if l.Tokens == nil || l.ID == "" {
		return
	}
	p.usage.Count(l.ID, event.Usage{
		InputTokens: max(0, l.Tokens.Input-l.Tokens.Cached) + l.Tokens.Tool, OutputTokens: l.Tokens.Output + l.Tokens.Thoughts,
		CacheReadTokens: l.Tokens.Cached, Model: l.Model,
	})
}

// Resumable implements agent.Adapter. The agent finds a conversation that has a prompt.
func (adapter) Resumable(l agent.Launch) bool {
	path := transcriptOf(l)
	if path == "" {
		return false
	}
	found := false
	_ = regular.EachLine(path, func(line []byte) bool {
		var t transcriptLine
		found = bytes.Contains(line, []byte(`"user"`)) && json.Unmarshal(line, &t) == nil && t.prompt() != ""
		return !found
	})
	return found
}
