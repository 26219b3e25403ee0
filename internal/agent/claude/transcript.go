package claude

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/regular"
	"muster/internal/text"
)

// transcript translates the lines of one conversation. It is used by one goroutine at a time.
type transcript struct {
	path         string
	conversation string
	since        time.Time // when this generation was prepared; earlier errors belong to another one
	primed       bool
	usage        *agent.Tally
	subagents    map[string]int64 // transcripts of subagents: the offset up to which each was counted
}

func newTranscript(l agent.Launch, path string, since time.Time) *transcript {
	return &transcript{path: path, conversation: l.Conversation, since: since, usage: agent.NewTally(l.Spec), subagents: map[string]int64{}}
}

// transcriptLine is the part of a line that is used here.
type transcriptLine struct {
	Type      string    `json:"type"`
	UUID      string    `json:"uuid"`
	Subtype   string    `json:"subtype"`
	Timestamp time.Time `json:"timestamp"`
	SessionID string    `json:"sessionId"`
	IsMeta    bool      `json:"isMeta"`
	IsError   bool      `json:"isApiErrorMessage"`
	Error     string    `json:"error"`
	// Quota is what newer versions record about a usage limit that ended the turn.
	Quota struct {
		Status   string `json:"status"`
		ResetsAt int64  `json:"resetsAt"` // seconds
	} `json:"quotaLimits"`
	Operation string `json:"operation"` // of a queue-operation
	Content   string `json:"content"`
	Message   struct {
		ID      string          `json:"id"`
		Model   string          `json:"model"`
		Content json.RawMessage `json:"content"`
		Usage   *transcriptUse  `json:"usage"`
	} `json:"message"`
	Attachment struct {
		Type   string          `json:"type"`
		Prompt json.RawMessage `json:"prompt"`
	} `json:"attachment"`
}

type transcriptUse struct {
	Input      int64 `json:"input_tokens"`
	Output     int64 `json:"output_tokens"`
	CacheRead  int64 `json:"cache_read_input_tokens"`
	CacheWrite int64 `json:"cache_creation_input_tokens"`
	Creation   struct {
		Hour int64 `json:"ephemeral_1h_input_tokens"`
	} `json:"cache_creation"`
}

// texts returns the text of a content: a string, or the texts of a list of blocks. Results of tools are left out: a
// file that quotes a tag delivers nothing.
func texts(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var blocks []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	if json.Unmarshal(raw, &blocks) != nil {
		return ""
	}
	var all []string
	for _, b := range blocks {
		if b.Type == "text" {
			all = append(all, b.Text)
		}
	}
	return strings.Join(all, "\n")
}

// delivered returns the text that a line makes part of the conversation: a prompt, or a message that was taken in the
// middle of a turn.
func (l transcriptLine) delivered() string {
	switch {
	case l.Type == "user":
		return texts(l.Message.Content)
	case l.Type == "attachment" && l.Attachment.Type == "queued_command":
		return texts(l.Attachment.Prompt)
	}
	return ""
}

// interrupted reports whether a line marks the place where a turn was broken off. Claude Code 2.1.197 and 2.1.332 write none if the
// model had said nothing yet: the prompt goes back into the input.
func (l transcriptLine) interrupted() bool {
	if l.Type != "user" {
		return false
	}
	said := texts(l.Message.Content)
	return said == "[Request interrupted by user]" || said == "[Request interrupted by user for tool use]"
}

// quotaMargin is added to the end of a usage limit, for differences between clocks.
const quotaMargin = 5 * time.Second

// parse returns records for acknowledged messages, for usage, for interrupted turns, and for the one error that no hook reports. Usage is
// the sum over the whole conversation and all its generations, so the first call reads the file from its beginning.
// Records about something else than the state have no state.
func (t *transcript) parse(line []byte) ([]event.Record, error) {
	if !t.primed {
		t.primed = true
		t.prime()
	}
	var l transcriptLine
	if err := json.Unmarshal(line, &l); err != nil {
		return nil, fmt.Errorf("transcript: %w", err)
	}
	base := event.Record{Src: event.SrcTranscript, Time: l.Timestamp.UTC(), SessionID: t.conversation, Transcript: t.path}
	var out []event.Record
	for _, id := range messagesIn(l.delivered()) {
		r := base
		r.Message = id
		out = append(out, r)
	}
	if l.Type == "assistant" && l.Message.Usage != nil && !l.IsError {
		t.count(l, t.usage.Count)
		t.countSubagents()
		sum := t.usage.Sum()
		r := base
		r.Usage = &sum
		out = append(out, r)
	}
	if l.interrupted() && !l.Timestamp.Before(t.since) {
		r := base
		r.State, r.Interrupted = event.RecordIdle, true
		out = append(out, r)
	}
	if until := time.Unix(l.Quota.ResetsAt, 0).UTC(); l.IsError && l.Quota.Status == "rejected" && !l.Timestamp.Before(t.since) && until.After(l.Timestamp) {
		r := base
		r.State, r.Until, r.UntilFrom, r.Note = event.RecordLimited, until.Add(quotaMargin), event.SourceQuotaLimits, text.Line(texts(l.Message.Content), noteLimit)
		out = append(out, r)
	}
	if said := texts(l.Message.Content); l.IsError && !l.Timestamp.Before(t.since) && errorKind(l.Error, said, "") == event.ErrorContextFull {
		r := base
		r.State, r.Error, r.Note = event.RecordError, event.ErrorContextFull, text.Line(said, noteLimit)
		out = append(out, r)
	}
	return out, nil
}

// count counts the usage of a line: every block of a message repeats it.
func (t *transcript) count(l transcriptLine, count func(id string, u event.Usage)) {
	u := l.Message.Usage
	if u == nil || l.IsError {
		return
	}
	count(l.Message.ID, event.Usage{
		InputTokens: u.Input, OutputTokens: u.Output, CacheReadTokens: u.CacheRead, CacheWriteTokens: u.CacheWrite,
		CacheWrite1hTokens: u.Creation.Hour, Model: l.Message.Model,
	})
}

// prime counts what the file already contains.
func (t *transcript) prime() {
	t.countFile(t.path, 0, t.usage.Count)
	t.countSubagents()
}

// countSubagents counts the new usage of subagents, whose messages are not in the transcript.
func (t *transcript) countSubagents() {
	dir := filepath.Join(strings.TrimSuffix(t.path, ".jsonl"), "subagents")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if info, err := e.Info(); err != nil || !strings.HasSuffix(path, ".jsonl") || info.Size() <= t.subagents[path] {
			continue
		}
		t.subagents[path] = t.countFile(path, t.subagents[path], t.usage.CountAside)
	}
}

// countFile counts the complete lines of a file from an offset and returns the offset after them.
func (t *transcript) countFile(path string, from int64, count func(id string, u event.Usage)) int64 {
	f, err := agent.OpenSetup(path)
	if err != nil {
		return from
	}
	defer f.Close() //nolint:errcheck // only read
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return from
	}
	in := regular.NewLines(f, 0)
	for {
		line, err := in.Next()
		if err != nil {
			return from
		}
		from += int64(len(line))
		var l transcriptLine
		if bytes.Contains(line, []byte(`"usage"`)) && json.Unmarshal(line, &l) == nil && l.Type == "assistant" {
			t.count(l, count)
		}
	}
}

// deliveryTail is the size in bytes of the part of a transcript that is searched for a new message.
const deliveryTail = 64 << 20

// Delivered implements agent.Adapter. A message that was enqueued and not dequeued is in the agent's memory.
func (adapter) Delivered(l agent.Launch, m event.MessageID) (agent.Delivery, error) {
	path := transcriptPath(l)
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return agent.DeliveryAbsent, nil
		}
		return agent.DeliveryUnknown, fmt.Errorf("look for message %s: %w", m, err)
	}
	state, tag := agent.DeliveryAbsent, []byte(m.Tag())
	err := eachLineFrom(path, deliveryTail, func(line []byte) bool {
		var t transcriptLine
		if !bytes.Contains(line, tag) || json.Unmarshal(line, &t) != nil {
			return true
		}
		if slices.Contains(messagesIn(t.delivered()), m) {
			state = agent.DeliveryAcknowledged
		} else if t.Type == "queue-operation" && t.Operation == "enqueue" && slices.Contains(messagesIn(t.Content), m) {
			state = agent.DeliveryEnqueued
		}
		return state != agent.DeliveryAcknowledged
	})
	if err != nil {
		return agent.DeliveryUnknown, fmt.Errorf("look for message %s: %w", m, err)
	}
	return state, nil
}

// eachLine calls yield with the lines of a file until yield returns false. A line is valid only within yield.
func eachLine(path string, yield func(line []byte) bool) error {
	return eachLineFrom(path, math.MaxInt64, yield)
}

// eachLineFrom is eachLine for the last bytes of a file, from the beginning of a line. It holds one line at a time:
// transcripts of hundreds of megabytes are common.
func eachLineFrom(path string, last int64, yield func(line []byte) bool) error {
	f, err := agent.OpenSetup(path)
	if err != nil {
		return fmt.Errorf("read transcript: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	st, err := f.Stat()
	if err != nil {
		return fmt.Errorf("read transcript: %w", err)
	}
	skip := st.Size() > last
	if skip {
		if _, err := f.Seek(st.Size()-last, io.SeekStart); err != nil {
			return fmt.Errorf("read transcript: %w", err)
		}
	}
	in := regular.NewLines(f, 0)
	for {
		line, err := in.Next()
		if len(line) > 0 && !skip && !yield(line) || err != nil {
			return nil //nolint:nilerr // a torn last line ends the file
		}
		skip = false
	}
}
