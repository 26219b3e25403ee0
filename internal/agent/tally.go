package agent

import (
	"math"
	"strings"

	"muster/internal/event"
	"muster/internal/price"
	"muster/internal/text"
)

// Tally adds up the usage of the answers of one conversation, each once: a transcript repeats an answer with each of its
// blocks, and history is replayed when a conversation is resumed. It is used by one goroutine at a time.
type Tally struct {
	prices  price.Table
	answers map[string]answer
	sum     event.Usage
	nanoUSD int64
}

// answer is what was counted of an answer so far.
type answer struct {
	usage   event.Usage
	nanoUSD int64
}

// NewTally returns an empty tally for the conversation of a task.
func NewTally(spec event.Spec) *Tally {
	return &Tally{prices: price.For(spec.Prices), answers: map[string]answer{}}
}

const (
	maxModelName = 100     // in bytes
	maxCount     = 1 << 40 // of tokens of one answer; more is nonsense
	maxAnswerUSD = 1e6
)

// Count counts an answer by the agent's id for it. Of an answer that is reported several times, as while it is streamed,
// the largest numbers count. u.Model is the model that gave it, and u.CostUSD what the agent says that it cost, or 0. The
// cost is the agent's own unless the configuration has a price for the model; without both it is by the built-in table.
// Numbers that no answer can have are not counted.
func (t *Tally) Count(id string, u event.Usage) { t.count(id, u, true) }

// CountAside is Count for the answer of a sub-agent, whose model is not that of the conversation.
func (t *Tally) CountAside(id string, u event.Usage) { t.count(id, u, false) }

func (t *Tally) count(id string, u event.Usage, main bool) {
	if id == "" || !sane(u) {
		return
	}
	u.Model = strings.Join(strings.Fields(text.Field(u.Model, maxModelName)), "_")
	if strings.HasPrefix(u.Model, "<") { // an answer that the agent made up itself, such as for an error
		u.Model = ""
	}
	was, known := t.answers[id]
	if known { // history that is read again is told with the model of today
		u.Model, main = was.usage.Model, false
	}
	now := answer{usage: event.Usage{
		InputTokens:        max(was.usage.InputTokens, u.InputTokens),
		OutputTokens:       max(was.usage.OutputTokens, u.OutputTokens),
		CacheReadTokens:    max(was.usage.CacheReadTokens, u.CacheReadTokens),
		CacheWriteTokens:   max(was.usage.CacheWriteTokens, u.CacheWriteTokens),
		CacheWrite1hTokens: max(was.usage.CacheWrite1hTokens, min(u.CacheWrite1hTokens, u.CacheWriteTokens)),
		CostUSD:            max(was.usage.CostUSD, u.CostUSD),
		Model:              u.Model,
	}}
	now.nanoUSD = t.cost(now.usage)
	t.answers[id] = now

	t.nanoUSD += now.nanoUSD - was.nanoUSD
	s := &t.sum
	s.InputTokens += now.usage.InputTokens - was.usage.InputTokens
	s.OutputTokens += now.usage.OutputTokens - was.usage.OutputTokens
	s.CacheReadTokens += now.usage.CacheReadTokens - was.usage.CacheReadTokens
	s.CacheWriteTokens += now.usage.CacheWriteTokens - was.usage.CacheWriteTokens
	s.CacheWrite1hTokens += now.usage.CacheWrite1hTokens - was.usage.CacheWrite1hTokens
	s.CostUSD = float64(t.nanoUSD) / 1e9
	if !known {
		s.Turns++
	}
	if main && u.Model != "" {
		s.Model = u.Model
	}
}

// cost returns what an answer cost, in billionths of a dollar. A model without a price is noted.
func (t *Tally) cost(u event.Usage) int64 {
	if u.CostUSD > 0 && !t.prices.Own(u.Model) {
		return int64(math.Round(u.CostUSD * 1e9))
	}
	if p, ok := t.prices.Of(u.Model); ok {
		return price.NanoUSD(p, u)
	}
	if u.Tokens()+u.CacheReadTokens > 0 {
		name := u.Model
		if name == "" {
			name = "unknown"
		}
		t.sum = t.sum.WithoutPrice(name)
	}
	return 0
}

// sane reports whether an answer can have such numbers. The agent writes them, and budgets are computed from them.
func sane(u event.Usage) bool {
	for _, n := range []int64{u.InputTokens, u.OutputTokens, u.CacheReadTokens, u.CacheWriteTokens, u.CacheWrite1hTokens} {
		if n < 0 || n > maxCount {
			return false
		}
	}
	return u.CostUSD >= 0 && u.CostUSD <= maxAnswerUSD // false for NaN
}

// Sum returns the usage of the conversation so far.
func (t *Tally) Sum() event.Usage { return t.sum }
