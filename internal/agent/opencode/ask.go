package opencode

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/mail"
	"muster/internal/text"
)

// posed is one question of the agent.
type posed struct {
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
		s.Reply(map[string]any{"reply": "once"})
		return
	}
	ask := event.NewAsk(s.in.Permission, input)
	if agent.UseGrant(s.Home, s.Task, s.Gen, ask) {
		s.Reply(map[string]any{"reply": "once"})
		return
	}
	note := text.Line(s.in.Permission+": "+strings.Join(s.in.Patterns, ", "), noteLimit)
	answer, ok := s.open(ctx, ask, event.Record{Reason: event.WaitPermission, Tool: s.in.Permission, Note: note})
	if !ok {
		return
	}
	if why := agent.Refusal(ask, answer); why != "" { // with a message the turn goes on
		s.Reply(map[string]any{"reply": "reject", "message": why})
		return
	}
	s.Reply(map[string]any{"reply": "once"})
}

// harmless reports whether a request needs no decision: muster's own verbs for agents, the project's own checks, and the
// files that muster told the agent of.
func (s *hookState) harmless() bool {
	switch s.in.Permission {
	case "bash":
		var in struct {
			Command string `json:"command"`
		}
		return json.Unmarshal(s.in.Metadata, &in) == nil && s.NeedsNoDecision(in.Command)
	case "external_directory":
		var in struct {
			Path string `json:"filepath"`
		}
		if json.Unmarshal(s.in.Metadata, &in) != nil {
			return false
		}
		return s.reads() && (in.Path == filepath.Join(s.Files.RO(), agent.PromptName) ||
			within(s.Home.TaskJobsDir(s.Task), in.Path) && strings.HasSuffix(in.Path, ".log") || within(filepath.Join(s.Files.RW(), "checks"), in.Path))
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
		s.Reply(map[string]any{"reply": "reject"})
	default:
		s.Reply(map[string]any{"answers": answers(questions, answer.Text)})
	}
}

// answers returns the answer to each question in the agent's form.
func answers(questions []event.Question, said string) [][]string {
	out := make([][]string, 0, len(questions))
	for _, chosen := range agent.Chosen(questions, said) {
		out = append(out, []string{chosen})
	}
	return out
}

// open reports a request and waits for its answer while the agent lives. It returns false if none came.
func (s *hookState) open(ctx context.Context, ask event.Ask, r event.Record) (mail.Answer, bool) {
	id := s.requestID()
	r.State = event.RecordWaiting
	return s.Hold(ctx, id, id, ask, r, event.Record{State: event.RecordWorking}, s.write)
}

// requestID returns the id of a request, which is the same at each call for the same request of the agent.
func (s *hookState) requestID() string {
	sum := sha256.Sum256([]byte(strconv.Itoa(s.Gen) + " " + s.in.ID))
	return "q" + hex.EncodeToString(sum[:8])
}
