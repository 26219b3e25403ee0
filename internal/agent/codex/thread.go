package codex

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"

	"muster/internal/agent"
	"muster/internal/home"
	"muster/internal/regular"
)

// The agent chooses the id of a conversation itself, which it calls a thread, and names it with the first prompt. The hook
// of that moment notes it in the directory that the agent's side writes. Records have the pinned id of muster if they come
// from that thread, and the agent's own id otherwise, so that the fleet refuses them.

// threadName is the file about the thread. Plan writes one into home.Gen.RO, with the id if the thread is resumed; the
// first hook writes one into home.Gen.RW.
const threadName = "thread.json"

// thread is a conversation of the agent.
type thread struct {
	Conversation string `json:"conversation,omitempty"` // muster's id
	ID           string `json:"id,omitempty"`           // the agent's id; "" if it is not known yet
	Rollout      string `json:"rollout,omitempty"`      // path of its file
}

func (t thread) encode() []byte {
	b, _ := json.Marshal(t)
	return append(b, '\n')
}

// readThread reads a file about a thread. What the agent's side wrote is checked: an id is a UUID.
func readThread(dir string) (thread, bool) {
	var t thread
	b, err := regular.Read(filepath.Join(dir, threadName), 64<<10)
	if err != nil || json.Unmarshal(b, &t) != nil || t.ID != "" && !agent.IsUUID(t.ID) {
		return thread{}, false
	}
	return t, true
}

// threadIn returns the thread of a generation; its ID is "" if it is not known.
func threadIn(files home.Gen) thread {
	planned, ok := readThread(files.RO())
	if !ok {
		return thread{}
	}
	noted, ok := readThread(files.RW())
	switch {
	case !ok:
		return planned
	case planned.ID == "":
		planned.ID = noted.ID
	case planned.ID != noted.ID:
		return planned // something else than the resumed thread spoke first
	}
	planned.Rollout = noted.Rollout
	return planned
}

// threadOf returns the thread of a launch's conversation, from its newest generation that knew it.
func threadOf(l agent.Launch) thread {
	var known thread
	for gen := l.Gen; gen >= 1 && (known.ID == "" || known.Rollout == ""); gen-- {
		t := threadIn(l.Home.Gen(l.Task, gen))
		if t.ID == "" || t.Conversation != l.Conversation {
			continue
		}
		if known.ID == "" {
			known = t
		} else if t.ID == known.ID {
			known.Rollout = t.Rollout
		}
	}
	known.Rollout = rolloutPath(l.Env, known)
	return known
}

// rolloutPath returns the path of a thread's file if it is one of the agent's: below its directory, and named after the
// thread. The path was noted by the agent's side.
func rolloutPath(env []string, t thread) string {
	if t.ID == "" {
		return ""
	}
	sessions := filepath.Join(configDir(env), "sessions")
	for _, dir := range []string{sessions, agent.RealPath(sessions)} {
		rel, err := filepath.Rel(dir, t.Rollout)
		if err == nil && filepath.IsLocal(rel) && isRollout(filepath.Base(rel), t.ID) {
			return t.Rollout
		}
	}
	found, err := filepath.Glob(filepath.Join(sessions, "*", "*", "*", "rollout-*-"+t.ID+".jsonl"))
	if err != nil || len(found) == 0 {
		return ""
	}
	return found[len(found)-1]
}

func isRollout(name, id string) bool {
	return strings.HasPrefix(name, "rollout-") && strings.HasSuffix(name, "-"+id+".jsonl")
}

// Resumable implements agent.Adapter. The agent finds a thread whose file has a prompt.
func (adapter) Resumable(l agent.Launch) bool {
	t := threadOf(l)
	if t.Rollout == "" {
		return false
	}
	found := false
	_ = regular.EachLine(t.Rollout, func(line []byte) bool {
		var r rolloutLine
		found = bytes.Contains(line, []byte(`"user"`)) && json.Unmarshal(line, &r) == nil && r.prompt() != ""
		return !found
	})
	return found
}
