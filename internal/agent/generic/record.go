package generic

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/recipe"
	"muster/internal/regular"
	"muster/internal/status"
)

// recordSource is the name of the agent's own record as a source, for stored offsets.
const recordSource = "transcript"

// recordsPrompts reports whether the agent's own record has the prompts of its conversation.
func recordsPrompts(r event.Recipe) bool {
	return recipe.Means(r.Record.Events, event.MeansPrompted) && r.Record.Prompt != ""
}

// hooksPrompts reports whether a hook has them.
func hooksPrompts(r event.Recipe) bool {
	return recipe.Means(r.Events, event.MeansPrompted) && len(r.Fields["prompt"]) > 0
}

// recordPath returns the path of the agent's own record of the conversation; "" if it is not known.
func (a adapter) recordPath(l agent.Launch) string {
	r := a.described()
	if r.Record.File == "" {
		for gen := l.Gen; gen >= 1; gen-- {
			files := l.Home.Gen(l.Task, gen)
			known, ok := readLaunch(files.RO())
			if path := noted(files, transcriptName); ok && known.Conversation == l.Conversation && filepath.IsAbs(path) {
				return path
			}
		}
		return ""
	}
	session := r.Session.ID(l.Conversation)
	if r.Session == event.SessionReported {
		if session = sessionOf(l); session == "" || filepath.Base(session) != session {
			return ""
		}
	}
	if path := recipe.Fill(r.Record.File, a.values(l, session)); filepath.IsAbs(path) {
		return path
	}
	return ""
}

// Sources implements agent.Adapter.
func (a adapter) Sources(l agent.Launch, _ int) []status.Source {
	r := a.described()
	path := a.recordPath(l)
	if len(r.Record.Events) == 0 || path == "" {
		return nil
	}
	var since time.Time
	if st, err := os.Stat(filepath.Join(l.Dirs().RO(), launchName)); err == nil {
		since = st.ModTime()
	}
	rd := &reader{recipe: r, path: path, conversation: l.Conversation, since: since, tally: agent.NewTally(l.Spec)}
	if r.Session == event.SessionNone {
		rd.conversation = ""
	}
	return []status.Source{{Task: l.Task, Gen: l.Gen, Name: recordSource, Path: path, Parse: rd.parse}}
}

// reader translates the lines of one record. It is used by one goroutine at a time.
type reader struct {
	recipe       event.Recipe
	path         string
	conversation string
	since        time.Time // when this generation was prepared; earlier states belong to another one
	primed       bool
	tally        *agent.Tally
}

// decode returns a line, its meaning, and whether it has one.
func (rd *reader) decode(line []byte) (doc any, word string, m event.RecipeEvent, ok bool, err error) {
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		return nil, "", m, false, fmt.Errorf("record: %w", err)
	}
	word = recipe.Text(doc, rd.recipe.Record.Event)
	m, ok = recipe.Match(rd.recipe.Record.Events[word], doc)
	return doc, word, m, ok, nil
}

// prompt returns the messages of a line that makes a prompt part of the conversation, and whether it does.
func (rd *reader) prompt(line []byte) ([]event.MessageID, bool) {
	doc, _, m, ok, err := rd.decode(line)
	if err != nil || !ok || m.State != event.MeansPrompted {
		return nil, false
	}
	return agent.Tags(recipe.Text(doc, rd.recipe.Record.Prompt)), true
}

// parse returns records for acknowledged messages, for usage and for states. Usage is the sum over the whole conversation and all
// its generations, so the first call reads the file from its beginning. Records about something else than the state have no state.
func (rd *reader) parse(line []byte) ([]event.Record, error) {
	if !rd.primed {
		rd.primed = true
		_ = regular.EachLine(rd.path, func(line []byte) bool {
			if doc, word, _, _, err := rd.decode(line); err == nil {
				rd.count(doc, word)
			}
			return true
		})
	}
	doc, word, m, ok, err := rd.decode(line)
	if err != nil {
		return nil, err
	}
	base := event.Record{Src: event.SrcTranscript, SessionID: rd.conversation, Transcript: rd.path}
	if t, err := time.Parse(time.RFC3339, recipe.Text(doc, rd.recipe.Record.Time)); err == nil {
		base.Time = t.UTC()
	}
	var out []event.Record
	if word == rd.recipe.Usage.Event && word != "" {
		rd.count(doc, word)
		sum := rd.tally.Sum()
		r := base
		r.Usage = &sum
		out = append(out, r)
	}
	old := !base.Time.IsZero() && base.Time.Before(rd.since)
	switch {
	case !ok || m.State == event.MeansNothing:
	case m.State == event.MeansPrompted:
		out = append(out, rd.promptedBy(doc, base, old)...)
	case !old:
		r := recordOf(m, doc)
		r.Time, r.SessionID, r.Transcript = base.Time, base.SessionID, base.Transcript
		if r.Src == "" {
			r.Src = event.SrcTranscript
		}
		out = append(out, r)
	}
	return out, nil
}

// promptedBy returns the records of a prompt: proofs of its messages, and the start of the turn if no hook reports it.
func (rd *reader) promptedBy(doc any, base event.Record, old bool) []event.Record {
	var out []event.Record
	starts := !old && !hooksPrompts(rd.recipe)
	for i, id := range agent.Tags(recipe.Text(doc, rd.recipe.Record.Prompt)) {
		r := base
		r.Message = id
		if starts {
			r.State, r.Prompted = event.RecordWorking, i == 0
		}
		out = append(out, r)
	}
	if len(out) == 0 && starts {
		base.State, base.Prompted = event.RecordWorking, true
		out = append(out, base)
	}
	return out
}

// count adds the usage of a line once.
func (rd *reader) count(doc any, word string) {
	u := rd.recipe.Usage
	if word != u.Event || word == "" {
		return
	}
	input, read, written := recipe.Count(doc, u.Input), recipe.Count(doc, u.CacheRead), recipe.Count(doc, u.CacheWrite)
	if u.Inclusive {
		input = max(0, input-read-written)
	}
	rd.tally.Count(recipe.Text(doc, u.ID), event.Usage{
		InputTokens: int64(input), OutputTokens: int64(recipe.Count(doc, u.Output)), CacheReadTokens: int64(read), CacheWriteTokens: int64(written),
		CostUSD: recipe.Count(doc, u.Cost), Model: recipe.Text(doc, u.Model),
	})
}
