package agent

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"muster/internal/event"
	"muster/internal/regular"
	"muster/internal/status"
)

// Some agents keep conversations in a database, which they may change with each version, or where only they know. A program of
// muster at the agent's side writes what became part of the conversation to a journal of its generation, in the moment at which the
// agent reports it. If that program is killed in between, the journal lacks a message that the conversation has; the program of the
// next generation asks the agent before it hands a message over, so it arrives once all the same.

const (
	// JournalName is the file in home.Gen.RW.
	JournalName = "conversation.jsonl"
	// maxJournalLine bounds a line in bytes. A prompt is shorter.
	maxJournalLine = 4 << 20
)

// Entry is one line of a journal.
type Entry struct {
	Type    string    `json:"type"` // user, assistant; a kind may have more
	Session string    `json:"session"`
	Time    time.Time `json:"time"`
	ID      string    `json:"id"`
	Text    string    `json:"text"`
	Model   string    `json:"model"` // "" in journals of older versions
	Cost    float64   `json:"cost"`
	Tokens  struct {
		Input     int64 `json:"input"` // without the cached ones
		Output    int64 `json:"output"`
		Reasoning int64 `json:"reasoning"` // beside Output
		Cache     struct {
			Read  int64 `json:"read"`
			Write int64 `json:"write"`
		} `json:"cache"`
	} `json:"tokens"`
}

// Journaled is the part of Adapter and Channel for agents whose conversation is in journals.
type Journaled struct {
	Source string // the name of a journal as a source of records, for stored offsets
}

// Past is what the journals of a task tell about its conversation.
type Past struct {
	Session string // the agent's id; "" if no prompt was taken
	told    []event.MessageID
	usage   *Tally
}

// History reads the journals of the launch's generation and of those before it. The conversation is the one of
// the newest journal that has a prompt; what other conversations hold counts for nothing.
func History(l Launch) Past {
	p := Past{usage: NewTally(l.Spec)}
	for gen := l.Gen; gen > 0 && p.Session == ""; gen-- {
		EachEntry(JournalPath(l, gen), func(e Entry) {
			if p.Session == "" && e.Type == "user" {
				p.Session = e.Session
			}
		})
	}
	for gen := 1; gen <= l.Gen && p.Session != ""; gen++ {
		EachEntry(JournalPath(l, gen), func(e Entry) {
			if e.Session != p.Session {
				return
			}
			count(p.usage, e)
			if e.Type == "user" {
				p.told = append(p.told, Tags(e.Text)...)
			}
		})
	}
	return p
}

// JournalPath returns the path of the journal of a generation.
func JournalPath(l Launch, gen int) string {
	return filepath.Join(l.Home.Gen(l.Task, gen).RW(), JournalName)
}

// EachEntry calls fn for each line of a journal. The agent's side writes it: what is no entry is skipped.
func EachEntry(path string, fn func(Entry)) {
	f, err := regular.Open(path)
	if err != nil {
		return
	}
	defer f.Close() //nolint:errcheck // only read
	in := regular.NewLines(f, maxJournalLine)
	for {
		line, err := in.Next()
		if err != nil {
			return // with a torn line
		}
		var e Entry
		if json.Unmarshal(line, &e) == nil && e.Session != "" {
			fn(e)
		}
	}
}

// Resumable implements Adapter.
func (Journaled) Resumable(l Launch) bool { return History(l).Session != "" }

// Delivered implements Channel.
func (Journaled) Delivered(l Launch, m event.MessageID) (Delivery, error) {
	if slices.Contains(History(l).told, m) {
		return DeliveryAcknowledged, nil
	}
	return DeliveryAbsent, nil
}

// Sources implements Adapter.
func (d Journaled) Sources(l Launch, _ int) []status.Source {
	j := &journal{launch: l}
	return []status.Source{{Task: l.Task, Gen: l.Gen, Name: d.Source, Path: JournalPath(l, l.Gen), Parse: j.parse}}
}

// journal translates the lines of one journal. It is used by one goroutine at a time.
type journal struct {
	launch Launch
	primed bool
	usage  *Tally
}

// parse returns records for acknowledged messages and for usage, which is the sum over the whole conversation. Neither says
// anything about the agent's state.
func (j *journal) parse(line []byte) ([]event.Record, error) {
	if !j.primed {
		j.primed, j.usage = true, History(j.launch).usage
	}
	var e Entry
	if err := json.Unmarshal(line, &e); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	base := event.Record{Src: event.SrcTranscript, Time: e.Time.UTC(), SessionID: j.launch.Conversation}
	var out []event.Record
	switch e.Type {
	case "user":
		for _, id := range Tags(e.Text) {
			r := base
			r.Message = id
			out = append(out, r)
		}
	case "assistant":
		count(j.usage, e)
		sum := j.usage.Sum()
		r := base
		r.Usage = &sum
		out = append(out, r)
	}
	return out, nil
}

// count counts the usage of an answer.
func count(all *Tally, e Entry) {
	if e.Type != "assistant" {
		return
	}
	t := e.Tokens
	all.Count(e.ID, event.Usage{
		InputTokens: t.Input, OutputTokens: t.Output + t.Reasoning, CacheReadTokens: t.Cache.Read, CacheWriteTokens: t.Cache.Write,
		CostUSD: max(0, e.Cost), Model: e.Model,
	})
}
