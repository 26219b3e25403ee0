package opencode

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/mail"
	"muster/internal/regular"
	"muster/internal/text"
)

const (
	// defaultWait is the wait limit if the spec names none.
	defaultWait = 15 * time.Minute
	// waitGrace is how long a hook outlasts the wait limit, so that the default answer still arrives.
	waitGrace = 30 * time.Second
	// askedDir is the directory of open requests in home.Gen.RW, one file for each, by the request's id.
	askedDir = "asked"
)

// asked is one question of the agent.
type asked struct {
	Question string         `json:"question"`
	Header   string         `json:"header"`
	Options  []event.Option `json:"options"`
	Multiple bool           `json:"multiple"`
}

// permission holds a permission request open until it is answered through the mailbox. If no answer comes, the dialog
// stays open for a person.
func (s *hookState) permission(ctx context.Context) {
	// What the agent shows in its dialog: the kind of permission, what it is for, and the details.
	input, err := json.Marshal(map[string]any{"patterns": s.in.Patterns, "metadata": s.in.Metadata})
	if err != nil {
		return
	}
	if s.harmless() {
		s.reply(map[string]any{"reply": "once"})
		return
	}
	ask := event.NewAsk(s.in.Permission, input)
	if agent.UseGrant(s.home, s.task, s.gen, ask) {
		s.reply(map[string]any{"reply": "once"})
		return
	}
	note := text.Line(s.in.Permission+": "+strings.Join(s.in.Patterns, ", "), noteLimit)
	answer, ok := s.open(ctx, ask, event.Record{Reason: event.WaitPermission, Tool: s.in.Permission, Note: note})
	if !ok {
		return
	}
	if answer.Allows(ask.Hash) && !ask.Cut {
		s.reply(map[string]any{"reply": "once"})
		return
	}
	// With a message the turn goes on.
	s.reply(map[string]any{"reply": "reject", "message": refusal(answer)})
}

// refusal returns why a request was not allowed, for the agent.
func refusal(a mail.Answer) string {
	switch {
	case a.Decision != mail.Deny:
		return "This was not allowed: the answer was given to a request with another text. Ask again, in a shorter form if it is long."
	case a.Text == "":
		return "This was not allowed. Nobody is there to ask: go on another way."
	}
	return a.Text
}

// harmless reports whether a request needs no decision: muster's own verbs for agents, the project's own checks, and the
// files that muster told the agent of.
func (s *hookState) harmless() bool {
	switch s.in.Permission {
	case "bash":
		var in struct {
			Command string `json:"command"`
		}
		if json.Unmarshal(s.in.Metadata, &in) != nil || !isSimple(in.Command) {
			return false
		}
		words := strings.Fields(in.Command)
		if len(words) > 1 && words[0] == "muster" && slices.Contains([]string{"check", "done", "ask", "note", "status"}, words[1]) {
			return true
		}
		checks, err := s.box().ReadChecks()
		return err == nil && slices.ContainsFunc(checks.Checks, func(c event.Check) bool { return c.Run == in.Command })
	case "external_directory":
		var in struct {
			Path string `json:"filepath"`
		}
		if json.Unmarshal(s.in.Metadata, &in) != nil {
			return false
		}
		return s.reads() && (in.Path == filepath.Join(s.files.RO(), agent.PromptName) ||
			within(s.home.TaskJobsDir(s.task), in.Path) && strings.HasSuffix(in.Path, ".log") || within(filepath.Join(s.files.RW(), "checks"), in.Path))
	}
	return false
}

// reads reports whether the tool that asks only reads.
func (s *hookState) reads() bool {
	return slices.Contains([]string{"read", "grep", "glob", "list"}, s.in.Tool)
}

// within reports whether a path is below a directory, by its words and without links.
func within(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	if err != nil || !filepath.IsLocal(rel) || rel == "." {
		return false
	}
	real, err := filepath.EvalSymlinks(path)
	return err != nil || real == filepath.Clean(path)
}

// isSimple reports whether a command is one program with plain words, which does nothing more than what it says.
func isSimple(command string) bool {
	return command != "" && !strings.ContainsAny(command, ";&|<>$`()\\\"'*?{}[]!#~\n\r")
}

// question holds a question open until it is answered.
func (s *hookState) question(ctx context.Context) {
	var questions []event.Question
	var all []string
	for _, q := range s.in.Questions {
		questions = append(questions, event.Question{Text: q.Question, Header: q.Header, Options: q.Options, Multi: q.Multiple})
		all = append(all, q.Question)
	}
	if len(questions) == 0 {
		return
	}
	input, err := json.Marshal(map[string]any{"questions": s.in.Questions})
	if err != nil {
		return
	}
	ask := event.NewAsk("question", input).WithQuestions(questions)
	r := event.Record{Reason: event.WaitQuestion, Tool: "question", Note: text.Line(strings.Join(all, " / "), noteLimit)}
	if len(questions) == 1 {
		for _, o := range questions[0].Options {
			r.Options = append(r.Options, o.Label)
		}
	}
	answer, ok := s.open(ctx, ask, r)
	switch {
	case !ok:
	case answer.Decision == mail.Deny || answer.Hash != ask.Hash:
		s.reply(map[string]any{"reply": "reject"})
	default:
		s.reply(map[string]any{"answers": answers(questions, answer.Text)})
	}
}

// answers returns the answer to each question: its line of the text if there are as many lines as questions, otherwise the
// whole text. A number selects an option, and an empty text selects the first, which the agent recommends.
func answers(questions []event.Question, said string) [][]string {
	lines := strings.Split(strings.TrimSpace(said), "\n")
	out := make([][]string, 0, len(questions))
	for i, q := range questions {
		one := strings.TrimSpace(said)
		if len(lines) == len(questions) {
			one = strings.TrimSpace(lines[i])
		}
		if n, err := strconv.Atoi(one); err == nil && n >= 1 && n <= len(q.Options) {
			one = q.Options[n-1].Label
		}
		if one == "" && len(q.Options) > 0 {
			one = q.Options[0].Label
		}
		out = append(out, []string{one})
	}
	return out
}

// open reports a request and waits for its answer while the agent lives. It returns false if none came.
func (s *hookState) open(ctx context.Context, ask event.Ask, r event.Record) (mail.Answer, bool) {
	id := s.requestID()
	r.State, r.Request = event.RecordWaiting, id
	// Without this file the request can be neither shown nor allowed.
	_ = s.box().Ask(id, ask)
	s.noteRequest(r)
	s.write(r)
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(s.waitLimit, defaultWait)+waitGrace)
	defer cancel()
	answer, err := s.box().AwaitWhile(ctx, id, s.PPID)
	if err != nil {
		return mail.Answer{}, false
	}
	s.closeRequest()
	// The agent continues when this process ends, so no later record can overtake this one.
	s.goesOn(event.Record{State: event.RecordWorking, Request: id})
	return answer, true
}

// requestID returns the id of a request, which is the same at each call for the same request of the agent.
func (s *hookState) requestID() string {
	sum := sha256.Sum256([]byte(strconv.Itoa(s.gen) + " " + s.in.ID))
	return "q" + hex.EncodeToString(sum[:8])
}

// noteRequest stores an open request.
func (s *hookState) noteRequest(r event.Record) {
	dir := filepath.Join(s.files.RW(), askedDir)
	if b, err := json.Marshal(r); err == nil && os.MkdirAll(dir, 0o700) == nil {
		_ = os.WriteFile(filepath.Join(dir, r.Request), b, 0o600)
	}
}

// openRequest returns a request that is open.
func (s *hookState) openRequest() (event.Record, bool) {
	dir := filepath.Join(s.files.RW(), askedDir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return event.Record{}, false
	}
	for _, e := range entries {
		var r event.Record
		if b, err := regular.Read(filepath.Join(dir, e.Name()), 1<<20); err == nil && json.Unmarshal(b, &r) == nil && r.Request == e.Name() {
			return r, true
		}
	}
	return event.Record{}, false
}

// closeRequest removes the request of the event and returns its id.
func (s *hookState) closeRequest() string {
	id := s.requestID()
	_ = os.Remove(filepath.Join(s.files.RW(), askedDir, id))
	return id
}
