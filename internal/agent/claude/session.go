package claude

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf16"

	"muster/internal/agent"
	"muster/internal/regular"
)

// The agent makes a conversation's file some tenths of a second before it writes the prompt into it. If it is killed
// in between, the id can neither be resumed ("no conversation found") nor started ("already in use"). The pinned
// conversation then continues under another id of the agent; records still have the pinned id.

const (
	// sessionName is the file in home.Gen.RO with the agent's id of the conversation.
	sessionName = "session"
	// maxSuccessors is the number of ids that are tried; each one is used up by a kill within tenths of a second.
	maxSuccessors = 20
)

// agentSession returns the agent's id of a launch's conversation: the one that its plan chose or would choose.
func agentSession(l agent.Launch) string {
	if b, err := regular.Read(filepath.Join(l.Dirs().RO(), sessionName), 1<<10); err == nil {
		if id := strings.TrimSpace(string(b)); agent.IsUUID(id) {
			return id
		}
	}
	id := l.Conversation
	for n := 1; n <= maxSuccessors; n++ {
		path := sessionPath(l, id)
		if _, err := os.Stat(path); err != nil || holdsPrompt(path) {
			return id
		}
		id = successor(l.Conversation, n)
	}
	return id
}

// successor returns the n-th further id of a conversation. It is the same at each call.
func successor(conversation string, n int) string {
	sum := sha256.Sum256([]byte(conversation + "#" + strconv.Itoa(n)))
	b := sum[:16]
	b[6] = b[6]&0x0f | 0x80 // version 8: custom
	b[8] = b[8]&0x3f | 0x80
	return formatUUID(b)
}

func formatUUID(b []byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// pinned returns the pinned id if session is the agent's id of it, and session otherwise.
func pinned(session, alias string) string {
	if agents, ours, ok := strings.Cut(alias, "="); ok && session == agents {
		return ours
	}
	return session
}

// holdsPrompt reports whether a transcript has a prompt. Without one the agent cannot resume it.
func holdsPrompt(path string) bool {
	found := false
	_ = eachLine(path, func(line []byte) bool {
		var t transcriptLine
		found = bytes.Contains(line, []byte(`"user"`)) && json.Unmarshal(line, &t) == nil && t.Type == "user" && !t.IsMeta
		return !found
	})
	return found
}

// Resumable implements agent.Adapter.
func (adapter) Resumable(l agent.Launch) bool { return holdsPrompt(transcriptPath(l)) }

// transcriptPath returns the path of the transcript of the launch's conversation.
func transcriptPath(l agent.Launch) string { return sessionPath(l, agentSession(l)) }

// sessionPath returns the path of a conversation's transcript. If it exists in another project's directory, that is
// used.
func sessionPath(l agent.Launch, session string) string {
	projects := filepath.Join(configDir(l.Env), "projects")
	path := filepath.Join(projects, transcriptSlug(agent.RealPath(l.Worktree)), session+".jsonl")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if found, err := filepath.Glob(filepath.Join(projects, "*", session+".jsonl")); err == nil && len(found) == 1 {
		return found[0]
	}
	return path
}

// maxSlugUnits is the length at which the agent truncates the name of a directory of transcripts.
const maxSlugUnits = 200

// transcriptSlug returns the agent's name for a directory. Like JavaScript it counts UTF-16 units.
func transcriptSlug(dir string) string {
	units := utf16.Encode([]rune(dir))
	out := make([]byte, len(units))
	var hash int32
	for i, u := range units {
		hash = hash<<5 - hash + int32(u)
		out[i] = '-'
		if u < 0x80 && isWord(byte(u)) {
			out[i] = byte(u)
		}
	}
	if len(out) <= maxSlugUnits {
		return string(out)
	}
	h := int64(hash)
	if h < 0 {
		h = -h
	}
	return string(out[:maxSlugUnits]) + "-" + strconv.FormatInt(h, 36)
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
