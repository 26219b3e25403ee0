package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/home"
	"muster/internal/mail"
	"muster/internal/regular"
)

const (
	// DefaultWait is how long a request stays open if the task names no limit.
	DefaultWait = 15 * time.Minute
	// WaitGrace is how long a hook outlasts that, so that the default answer still arrives.
	WaitGrace = 30 * time.Second
	// askedDir is the directory of open requests in home.Gen.RW, one file for each.
	askedDir = "asked"
	// lookAgain is how often a waiting hook checks whether its request is still open.
	lookAgain = time.Second
	// maxAsked bounds the record of a request, in bytes.
	maxAsked = 1 << 20
)

// Asked has the open requests of a generation, which its hooks share: each is the record of a wait under a key of the hook's
// choice, by which the hook that sees the end of the request finds it.
type Asked struct{ Files home.Gen }

func (a Asked) path(key string) string { return filepath.Join(a.Files.RW(), askedDir, key) }

// Open stores a request. It reports whether that worked.
func (a Asked) Open(key string, r event.Record) bool {
	b, err := json.Marshal(r)
	return err == nil && os.MkdirAll(filepath.Dir(a.path(key)), 0o700) == nil && os.WriteFile(a.path(key), b, 0o600) == nil
}

// Opened reports whether a request is open.
func (a Asked) Opened(key string) bool {
	_, err := os.Stat(a.path(key))
	return err == nil
}

// Close removes a request and returns its id; "" if there was none.
func (a Asked) Close(key string) string {
	r, ok := a.read(key)
	if !ok {
		return ""
	}
	_ = os.Remove(a.path(key))
	return r.Request
}

// CloseAll removes every request.
func (a Asked) CloseAll() { _ = os.RemoveAll(filepath.Join(a.Files.RW(), askedDir)) }

// Other returns an open request with another key. The work of a parallel tool or a subagent does not end that wait.
func (a Asked) Other(key string) (event.Record, bool) {
	entries, err := os.ReadDir(filepath.Join(a.Files.RW(), askedDir))
	if err != nil {
		return event.Record{}, false
	}
	for _, e := range entries {
		if e.Name() == key {
			continue
		}
		if r, ok := a.read(e.Name()); ok {
			return r, true
		}
	}
	return event.Record{}, false
}

// GoesOn writes a record of continued work. While a request with another key waits for a person it writes nothing but
// acknowledgements and the end of another wait, each followed by the open one.
func (a Asked) GoesOn(key string, r event.Record, write func(event.Record)) {
	other, asks := a.Other(key)
	switch {
	case !asks:
		write(r)
	case r.Request != "" || r.Message != "":
		write(r)
		write(other)
	}
}

func (a Asked) read(key string) (r event.Record, ok bool) {
	b, err := regular.Read(a.path(key), maxAsked)
	return r, err == nil && json.Unmarshal(b, &r) == nil
}

// Await waits for the answer to a request as long as it is open and the process parent lives, and for at most limit (0 is
// DefaultWait) and WaitGrace. noted is what Open returned: a request that could not be stored counts as open.
func (a Asked) Await(ctx context.Context, box mail.Box, key, request string, parent int, limit time.Duration, noted bool) (mail.Answer, bool) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(limit, DefaultWait)+WaitGrace)
	defer cancel()
	for ctx.Err() == nil && (!noted || a.Opened(key)) {
		slice, cancel := context.WithTimeout(ctx, lookAgain)
		answer, err := box.AwaitWhile(slice, request, parent)
		cancel()
		if err == nil {
			return answer, true
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			return mail.Answer{}, false
		}
	}
	return mail.Answer{}, false
}

// Refusal returns why a request is refused, for the model; "" if it is allowed. It is allowed only if it was shown completely
// to the person: the answer must have the hash of the request.
func Refusal(ask event.Ask, a mail.Answer) string {
	switch {
	case a.Allows(ask.Hash) && !ask.Cut:
		return ""
	case a.Decision != mail.Deny:
		return "This was not allowed: the answer was given to a request with another text. Ask again, in a shorter form if it is long."
	case a.Text == "":
		return "This was not allowed. Nobody is there to ask: go on another way."
	}
	return a.Text
}

// Chosen returns the answer to each question: its line of the text if there are as many lines as questions, otherwise the whole
// text. A number selects an option, and an empty text selects the first, which the agent recommends.
func Chosen(questions []event.Question, said string) []string {
	said = strings.TrimSpace(said)
	lines := strings.Split(said, "\n")
	out := make([]string, len(questions))
	for i, q := range questions {
		one := said
		if len(lines) == len(questions) {
			one = strings.TrimSpace(lines[i])
		}
		if n, err := strconv.Atoi(one); err == nil && n >= 1 && n <= len(q.Options) {
			one = q.Options[n-1].Label
		}
		if one == "" && len(q.Options) > 0 {
			one = q.Options[0].Label
		}
		out[i] = one
	}
	return out
}

// IsSimple reports whether a command is one program with plain words, which does nothing more than what it says.
func IsSimple(command string) bool {
	return command != "" && !strings.ContainsAny(command, ";&|<>$`()\\\"'*?{}[]!#~\n\r")
}

// NeedsNoDecision reports whether a command may run without a decision: it is one of muster's own verbs for agents, or one of the
// project's own checks.
func (s Hooked) NeedsNoDecision(command string) bool {
	if checks, err := s.Box().ReadChecks(); err == nil && slices.ContainsFunc(checks.Checks, func(c event.Check) bool { return c.Run == command }) {
		return true
	}
	words := strings.Fields(command)
	return IsSimple(command) && len(words) > 1 && words[0] == "muster" && slices.Contains([]string{"check", "done", "ask", "note", "status"}, words[1])
}
