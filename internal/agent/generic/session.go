package generic

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/home"
	"muster/internal/regular"
	"muster/internal/text"
)

// The files in home.Gen.RW, which the agent's side writes.
const (
	sessionName    = "session"       // the agent's id of the conversation
	transcriptName = "transcript"    // the path of its record
	journalName    = "prompts.jsonl" // what a hook said that became part of the conversation
	maxNoted       = 8 << 10
)

// noteSession notes what the first hook of a generation says about its conversation.
func (s *hookState) noteSession() {
	if planned := s.launchFile.Session; s.Recipe.Session == event.SessionReported && planned == "" {
		s.noteOnce(sessionName, text.Field(s.field("session"), nameLimit))
	}
	if s.own() {
		s.noteOnce(transcriptName, s.field("transcript"))
	}
}

// noteOnce writes a value into a file of the generation if none was noted yet.
func (s *hookState) noteOnce(name, value string) {
	if value != "" && len(value) <= maxNoted && noted(s.Files, name) == "" {
		s.NoteOnce(name, []byte(value))
	}
}

func noted(files home.Gen, name string) string {
	b, err := regular.Read(filepath.Join(files.RW(), name), maxNoted)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// sessionIn returns the agent's id of a generation's conversation; "" if it is not known.
func sessionIn(files home.Gen) string {
	planned, ok := readLaunch(files.RO())
	switch {
	case !ok:
		return ""
	case planned.Recipe.Session.Pinned():
		return planned.Recipe.Session.ID(planned.Conversation)
	case planned.Session != "":
		return planned.Session
	}
	id := noted(files, sessionName)
	if strings.HasPrefix(id, "-") || text.Field(id, nameLimit) != id {
		return "" // it becomes a word of a command line
	}
	return id
}

// sessionOf returns the agent's id of a launch's conversation, from its newest generation that knew it.
func sessionOf(l agent.Launch) string {
	for gen := l.Gen; gen >= 1; gen-- {
		files := l.Home.Gen(l.Task, gen)
		if known, ok := readLaunch(files.RO()); !ok || known.Conversation != l.Conversation {
			continue
		}
		if id := sessionIn(files); id != "" {
			return id
		}
	}
	return ""
}

// journal notes that a prompt with these messages became part of the conversation.
func (s *hookState) journal(ids []event.MessageID) {
	b, err := json.Marshal(ids)
	if err != nil {
		return
	}
	f, err := regular.OpenFile(filepath.Join(s.Files.RW(), journalName), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return
	}
	_, _ = f.Write(append(b, '\n'))
	_ = f.Close()
}

// prompts calls yield with the messages of each prompt of the conversation until yield returns false. It reads the agent's own
// record, or else the journals of all generations.
func (a adapter) prompts(l agent.Launch, yield func([]event.MessageID) bool) error {
	if r := a.described(); recordsPrompts(r) {
		path := a.recordPath(l)
		if path == "" {
			return nil
		}
		rd := reader{recipe: r}
		return regular.EachLine(path, func(line []byte) bool {
			ids, ok := rd.prompt(line)
			return !ok || yield(ids)
		})
	}
	goOn := true
	for gen := 1; gen <= l.Gen && goOn; gen++ {
		files := l.Home.Gen(l.Task, gen)
		if known, ok := readLaunch(files.RO()); !ok || known.Conversation != l.Conversation {
			continue
		}
		err := regular.EachLine(filepath.Join(files.RW(), journalName), func(line []byte) bool {
			var ids []event.MessageID
			if json.Unmarshal(line, &ids) == nil {
				goOn = yield(ids)
			}
			return goOn
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Delivered implements agent.Channel.
func (a adapter) Delivered(l agent.Launch, m event.MessageID) (agent.Delivery, error) {
	if r := a.described(); !recordsPrompts(r) && !hooksPrompts(r) {
		return agent.DeliveryUnknown, nil
	}
	found := false
	err := a.prompts(l, func(ids []event.MessageID) bool {
		found = slices.Contains(ids, m)
		return !found
	})
	switch {
	case found:
		return agent.DeliveryAcknowledged, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return agent.DeliveryUnknown, err
	}
	return agent.DeliveryAbsent, nil
}

// Resumable implements agent.Adapter: a conversation that has a prompt can be resumed, if the agent's id of it is known.
func (a adapter) Resumable(l agent.Launch) bool {
	r := a.described()
	if len(r.Resume) == 0 || r.Session == event.SessionReported && sessionOf(l) == "" {
		return false
	}
	found := false
	_ = a.prompts(l, func([]event.MessageID) bool {
		found = true
		return false
	})
	return found
}
