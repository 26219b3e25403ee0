package claude

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/mail"
	"muster/internal/text"
)

// permission holds a permission request or a question open until it is answered through the mailbox. If no answer
// comes, it ends without a decision, and the dialog stays open for a person.
func (s *hookState) permission(ctx context.Context) {
	questions := s.questions()
	ask := event.NewAsk(s.in.ToolName, s.in.ToolInput).WithQuestions(questions)
	if len(questions) == 0 && agent.UseGrant(s.Home, s.Task, s.Gen, ask) {
		s.replyPermission(ask, mail.Answer{Decision: mail.Allow, Hash: ask.Hash})
		return
	}
	id := mail.NewRequest()
	r := s.tool(event.RecordWaiting)
	r.Request, r.Reason, r.Note = id, event.WaitPermission, permissionNote(s.in)
	if len(questions) > 0 {
		r.Reason, r.Note, r.Options = event.WaitQuestion, questionNote(questions), questionOptions(questions)
	}
	// Without this file the request can be neither shown nor allowed.
	_ = s.Box().Ask(id, ask)
	noted := s.Asked().Open(s.key(), r)
	s.write(r)
	answer, ok := s.Asked().Await(ctx, s.Box(), s.key(), id, s.PPID, s.WaitLimit, noted)
	if !ok {
		return
	}
	if len(questions) > 0 {
		s.replyQuestion(questions, ask, answer)
	} else {
		s.replyPermission(ask, answer)
	}
	s.Asked().Close(s.key())
	// The agent continues when this process ends, so no later record can overtake this one.
	done := s.tool(event.RecordWorking)
	done.Request = id
	s.goesOn(done)
}

// questions returns the questions of the AskUserQuestion tool; none for another tool.
func (s *hookState) questions() []event.Question {
	if s.in.ToolName != "AskUserQuestion" {
		return nil
	}
	var in struct {
		Questions []struct {
			Question string         `json:"question"`
			Header   string         `json:"header"`
			Options  []event.Option `json:"options"`
			Multi    bool           `json:"multiSelect"`
		} `json:"questions"`
	}
	_ = json.Unmarshal(s.in.ToolInput, &in)
	var out []event.Question
	for _, q := range in.Questions {
		out = append(out, event.Question{Text: q.Question, Header: q.Header, Options: q.Options, Multi: q.Multi})
	}
	return out
}

// permissionNote describes what the tool wants to do.
func permissionNote(in payload) string {
	var f struct {
		Command  string `json:"command"`
		FilePath string `json:"file_path"`
		URL      string `json:"url"`
		Plan     string `json:"plan"`
	}
	_ = json.Unmarshal(in.ToolInput, &f)
	for _, what := range []string{f.Command, f.FilePath, f.URL, f.Plan} {
		if what != "" {
			return text.Line(in.ToolName+": "+what, noteLimit)
		}
	}
	return text.Line(in.ToolName+" "+string(in.ToolInput), noteLimit)
}

func questionNote(questions []event.Question) string {
	var all []string
	for _, q := range questions {
		all = append(all, q.Text)
	}
	return text.Line(strings.Join(all, " / "), noteLimit)
}

// questionOptions returns the options of a single question. Several questions are answered by lines of text.
func questionOptions(questions []event.Question) []string {
	if len(questions) != 1 {
		return nil
	}
	var labels []string
	for _, o := range questions[0].Options {
		labels = append(labels, o.Label)
	}
	return labels
}

// replyPermission allows the request, or denies it with a reason that lets the agent try another way. It allows only
// what was shown completely to the person: the answer must have the hash of the request.
func (s *hookState) replyPermission(ask event.Ask, a mail.Answer) {
	why := agent.Refusal(ask, a)
	if why != "" {
		s.replyDecision(map[string]any{"behavior": "deny", "message": why})
		return
	}
	decision := map[string]any{"behavior": "allow"}
	if s.in.ToolName == "ExitPlanMode" { // the agent ignores an answer to a plan that lacks the plan
		decision["updatedInput"] = s.in.ToolInput
	}
	s.replyDecision(decision)
}

// replyQuestion answers each question with its line of the text if there are as many lines as questions, otherwise
// with the whole text. A number selects an option, and "allow" selects the first, which the agent recommends. It uses
// only an answer to the questions that were shown.
func (s *hookState) replyQuestion(questions []event.Question, ask event.Ask, a mail.Answer) {
	if a.Decision == mail.Deny || a.Hash != ask.Hash {
		s.replyPermission(event.Ask{}, a)
		return
	}
	answers := map[string]string{}
	for i, chosen := range agent.Chosen(questions, a.Text) {
		answers[questions[i].Text] = chosen
	}
	input := map[string]any{}
	_ = json.Unmarshal(s.in.ToolInput, &input)
	input["answers"] = answers
	s.replyDecision(map[string]any{"behavior": "allow", "updatedInput": input})
}

func (s *hookState) replyDecision(decision map[string]any) {
	s.Reply(map[string]any{"hookSpecificOutput": map[string]any{"hookEventName": "PermissionRequest", "decision": decision}})
}

// key returns the key of the request of this tool use. The agent gives a permission request no id, and the end of the tool
// finds the request by that key.
func (s *hookState) key() string {
	var input any // encoded again, so that the order of keys and white space do not matter
	_ = json.Unmarshal(s.in.ToolInput, &input)
	canonical, _ := json.Marshal([]any{s.in.AgentID, s.in.ToolName, input})
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:16])
}
