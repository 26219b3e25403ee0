package codex

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/regular"
	"muster/internal/status"
	"muster/internal/text"
)

// The rollout file is the agent's own record of a thread, a JSON object on each line. It is the only source for a turn
// that ended by an error, for usage, and for the end of a turn after all Stop hooks.

// rolloutSource is the name of the source, for stored offsets.
const rolloutSource = "transcript"

// rolloutLine is the part of a line that is used here.
type rolloutLine struct {
	Time    time.Time `json:"timestamp"`
	Type    string    `json:"type"`
	Payload struct {
		Type    string `json:"type"`
		ID      string `json:"id"`
		Role    string `json:"role"`
		Content []struct {
			Text string `json:"text"`
		} `json:"content"`
		Model       string        `json:"model"`
		ThreadID    string        `json:"thread_id"`
		ResponseID  string        `json:"response_id"`
		Usage       *rolloutUsage `json:"usage"`
		LastMessage string        `json:"last_agent_message"`
		Error       *rolloutError `json:"error"`
		Limits      *rateLimits   `json:"rate_limits"`
	} `json:"payload"`
}

type rolloutUsage struct {
	Input      int64 `json:"input_tokens"` // with cached tokens
	Cached     int64 `json:"cached_input_tokens"`
	CacheWrite int64 `json:"cache_write_input_tokens"`
	Output     int64 `json:"output_tokens"` // with reasoning
}

// prompt returns the text that a line makes part of the conversation as the user's; "" if it does not. What the agent
// itself adds in the user's name is in elements of its own.
func (l rolloutLine) prompt() string {
	if l.Type != "response_item" || l.Payload.Type != "message" || l.Payload.Role != "user" {
		return ""
	}
	var all []string
	for _, c := range l.Payload.Content {
		all = append(all, c.Text)
	}
	said := strings.Join(all, "\n")
	for _, own := range []string{"<environment_context>", "<turn_aborted>", "<hook_prompt", "<user_instructions>", "# AGENTS.md instructions"} {
		if strings.HasPrefix(strings.TrimSpace(said), own) {
			return ""
		}
	}
	return said
}

// Sources implements agent.Adapter. There is none before the first hook has noted the thread.
func (adapter) Sources(l agent.Launch, _ int) []status.Source {
	t := threadOf(l)
	if t.Rollout == "" {
		return nil
	}
	return []status.Source{{
		Task: l.Task, Gen: l.Gen, Name: rolloutSource, Path: t.Rollout,
		Parse: newRollout(l, t, readiedAt(l)).parse,
	}}
}

// readiedAt returns when the files of the generation were written; the zero time if they were not.
func readiedAt(l agent.Launch) time.Time {
	st, err := os.Stat(filepath.Join(l.Dirs().RO(), threadName))
	if err != nil {
		return time.Time{}
	}
	return st.ModTime()
}

// rollout translates the lines of one thread. It is used by one goroutine at a time.
type rollout struct {
	thread       thread
	conversation string
	since        time.Time // when this generation was prepared; earlier states belong to another one
	primed       bool
	usage        *agent.Tally
	model        string     // of the newest turn
	limits       rateLimits // the newest
}

func newRollout(l agent.Launch, t thread, since time.Time) *rollout {
	return &rollout{thread: t, conversation: l.Conversation, since: since, usage: agent.NewTally(l.Spec), model: l.Spec.Model}
}

// parse returns records for acknowledged messages, usage, and the end of turns. Usage is the sum over the whole
// conversation and all its generations, so the first call reads the file from its beginning. Records about something else
// than the state have no state.
func (p *rollout) parse(line []byte) ([]event.Record, error) {
	if !p.primed {
		p.primed = true
		p.prime()
	}
	var l rolloutLine
	if err := json.Unmarshal(line, &l); err != nil {
		return nil, fmt.Errorf("rollout: %w", err)
	}
	base := event.Record{Src: event.SrcTranscript, Time: l.Time.UTC(), SessionID: p.conversation, Transcript: p.thread.Rollout}
	switch l.Type + "/" + l.Payload.Type {
	case "session_meta/":
		if l.Payload.ID != p.thread.ID {
			return nil, fmt.Errorf("rollout: it begins with thread %s, want %s", text.Field(l.Payload.ID, 40), p.thread.ID)
		}
	case "response_item/message":
		return p.acknowledged(base, l), nil
	case "token_usage_record/":
		if !p.count(l) {
			return nil, nil
		}
		sum := p.usage.Sum()
		base.Usage = &sum
		return []event.Record{base}, nil
	case "turn_context/":
		p.turn(l)
	case "event_msg/token_count":
		p.remember(l)
		if base.Limits = p.limits.windows(); l.Payload.Limits != nil && len(base.Limits) > 0 && !l.Time.Before(p.since) {
			return []event.Record{base}, nil
		}
	case "event_msg/task_complete":
		if l.Time.Before(p.since) {
			return nil, nil
		}
		if l.Payload.Error != nil {
			return []event.Record{turnError(base, *l.Payload.Error, p.limits)}, nil
		}
		base.State, base.Stopping, base.Note = event.RecordIdle, true, text.Line(l.Payload.LastMessage, noteLimit)
		return []event.Record{base}, nil
	case "event_msg/turn_aborted":
		if l.Time.Before(p.since) {
			return nil, nil
		}
		base.State, base.Interrupted = event.RecordIdle, true
		return []event.Record{base}, nil
	}
	return nil, nil
}

// acknowledged returns a record for each message that a line makes part of the conversation.
func (p *rollout) acknowledged(base event.Record, l rolloutLine) []event.Record {
	var out []event.Record
	for _, id := range agent.Tags(l.prompt()) {
		r := base
		r.Message = id
		out = append(out, r)
	}
	return out
}

// count adds the usage of a response once. It reports whether the line has one of this thread.
func (p *rollout) count(l rolloutLine) bool {
	u := l.Payload.Usage
	if u == nil || l.Payload.ThreadID != p.thread.ID || l.Payload.ResponseID == "" {
		return false
	}
	p.usage.Count(l.Payload.ResponseID, event.Usage{
		InputTokens: max(0, u.Input-u.Cached-u.CacheWrite), OutputTokens: u.Output, CacheReadTokens: u.Cached,
		CacheWriteTokens: u.CacheWrite, Model: p.model,
	})
	return true
}

// turn keeps the model of the turn that begins.
func (p *rollout) turn(l rolloutLine) {
	if l.Payload.Model != "" {
		p.model = l.Payload.Model
	}
}

// remember keeps the newest state of the account's limits.
func (p *rollout) remember(l rolloutLine) {
	if l.Payload.Limits != nil {
		p.limits = *l.Payload.Limits
	}
}

// prime reads what the file already contains: usage, and the limits.
func (p *rollout) prime() {
	_ = regular.EachLine(p.thread.Rollout, func(line []byte) bool {
		var l rolloutLine
		if (bytes.Contains(line, []byte(`"token_usage_record"`)) || bytes.Contains(line, []byte(`"rate_limits"`)) || bytes.Contains(line, []byte(`"turn_context"`))) && json.Unmarshal(line, &l) == nil {
			switch l.Type {
			case "token_usage_record":
				p.count(l)
			case "turn_context":
				p.turn(l)
			case "event_msg":
				p.remember(l)
			}
		}
		return true
	})
}
