package opencode

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/regular"
	"muster/internal/status"
)

// The agent keeps conversations in a database, which it may change with each version and which only it should open. The
// plugin writes what became part of the conversation to a journal of its generation, in the moment at which the agent
// reports it. If the agent is killed in between, the journal lacks a message that the conversation has; the plugin of the
// next generation asks the agent before it hands a message over, so it arrives once all the same.

const (
	// journalName is the file in home.Gen.RW.
	journalName = "conversation.jsonl"
	// journalSource is the name of the journal as a source of records.
	journalSource = "opencode.journal"
	// maxJournalLine bounds a line in bytes. A prompt is shorter.
	maxJournalLine = 4 << 20
)

// entry is one line of a journal.
type entry struct {
	Type    string    `json:"type"` // user, assistant
	Session string    `json:"session"`
	Time    time.Time `json:"time"`
	ID      string    `json:"id"`
	Text    string    `json:"text"`
	Model   string    `json:"model"` // PROVIDER/MODEL; "" in journals of older versions
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

// past is what the journals of a task tell about its conversation.
type past struct {
	session string // the agent's id; "" if no prompt was taken
	told    []event.MessageID
	usage   *agent.Tally
}

// history reads the journals of the launch's generation and of those before it. The conversation is the one of
// the newest journal that has a prompt; what other conversations hold counts for nothing.
func history(l agent.Launch) past {
	p := past{usage: agent.NewTally(l.Spec)}
	for gen := l.Gen; gen > 0 && p.session == ""; gen-- {
		eachEntry(journalPath(l, gen), func(e entry) {
			if p.session == "" && e.Type == "user" {
				p.session = e.Session
			}
		})
	}
	for gen := 1; gen <= l.Gen && p.session != ""; gen++ {
		eachEntry(journalPath(l, gen), func(e entry) {
			if e.Session != p.session {
				return
			}
			count(p.usage, e)
			if e.Type == "user" {
				p.told = append(p.told, agent.Tags(e.Text)...)
			}
		})
	}
	return p
}

func journalPath(l agent.Launch, gen int) string {
	return filepath.Join(l.Home.Gen(l.Task, gen).RW(), journalName)
}

// eachEntry calls fn for each line of a journal. The agent's side writes it: what is no entry is skipped.
func eachEntry(path string, fn func(entry)) {
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
		var e entry
		if json.Unmarshal(line, &e) == nil && e.Session != "" {
			fn(e)
		}
	}
}

// Resumable implements agent.Adapter.
func (adapter) Resumable(l agent.Launch) bool { return history(l).session != "" }

// Delivered implements agent.Channel.
func (adapter) Delivered(l agent.Launch, m event.MessageID) (agent.Delivery, error) {
	if slices.Contains(history(l).told, m) {
		return agent.DeliveryAcknowledged, nil
	}
	return agent.DeliveryAbsent, nil
}

// Sources implements agent.Adapter.
func (adapter) Sources(l agent.Launch, _ int) []status.Source {
	j := &journal{launch: l}
	return []status.Source{{Task: l.Task, Gen: l.Gen, Name: journalSource, Path: journalPath(l, l.Gen), Parse: j.parse}}
}

// journal translates the lines of one journal. It is used by one goroutine at a time.
type journal struct {
	launch agent.Launch
	primed bool
	usage  *agent.Tally
}

// parse returns records for acknowledged messages and for usage, which is the sum over the whole conversation. Neither says
// anything about the agent's state.
func (j *journal) parse(line []byte) ([]event.Record, error) {
	if !j.primed {
		j.primed, j.usage = true, history(j.launch).usage
	}
	var e entry
	if err := json.Unmarshal(line, &e); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	base := event.Record{Src: agent.SrcTranscript, Time: e.Time.UTC(), SessionID: j.launch.Conversation}
	var out []event.Record
	switch e.Type {
	case "user":
		for _, id := range agent.Tags(e.Text) {
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
func count(all *agent.Tally, e entry) {
	if e.Type != "assistant" {
		return
	}
	t := e.Tokens
	all.Count(e.ID, event.Usage{
		InputTokens: t.Input, OutputTokens: t.Output + t.Reasoning, CacheReadTokens: t.Cache.Read, CacheWriteTokens: t.Cache.Write,
		CostUSD: max(0, e.Cost), Model: e.Model,
	})
}
