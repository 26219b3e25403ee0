package agent

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"muster/internal/event"
	"muster/internal/regular"
)

// A use of a tool about which a rule has asked a person may need the agent's own permission, too. The hook before the tool notes under
// which request it asked, in home.Gen.RW; whether that was allowed only the log tells.
const (
	askedPrefix = "asked-"
	maxNote     = 1 << 20 // bytes of a note
)

type askedBefore struct {
	Request string          `json:"request"`
	What    json.RawMessage `json:"what,omitempty"`
}

// NoteAsked notes that a hook asks a person under a request, for a hook that comes later for the same use of a tool. key is what both
// know of the use, a hash. what, which may be nil, is JSON.
func (s Hooked) NoteAsked(key, request string, what []byte) {
	b, err := json.Marshal(askedBefore{Request: request, What: what})
	if err != nil || len(b) > maxNote {
		return
	}
	_ = os.Remove(filepath.Join(s.Files.RW(), askedPrefix+key))
	s.NoteOnce(askedPrefix+key, b)
}

// AllowedBefore reports whether a person has just allowed a use of a tool about which NoteAsked has noted the request. It counts once.
// asked returns what was asked for from what was noted, or false if that is about another use: the agent can write the note.
func (s Hooked) AllowedBefore(ctx context.Context, key string, asked func(what []byte) (event.Ask, bool)) bool {
	path := filepath.Join(s.Files.RW(), askedPrefix+key)
	b, err := regular.Read(path, maxNote)
	if err != nil || os.Remove(path) != nil {
		return false
	}
	var noted askedBefore
	if json.Unmarshal(b, &noted) != nil {
		return false
	}
	ask, ok := asked(noted.What)
	if !ok {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	answer, err := s.Box().AwaitWhile(ctx, noted.Request, s.PPID)
	return err == nil && Refusal(ask, answer) == ""
}
