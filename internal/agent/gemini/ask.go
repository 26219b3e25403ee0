package gemini

import (
	"context"
	"fmt"
	"strings"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/mail"
	"muster/internal/text"
)

// permission holds a tool until its request is answered through the mailbox. The agent shows no dialog. If no answer comes, the
// tool does not run.
func (s *hookState) permission(ctx context.Context, in input, begins event.Record) {
	ask := event.NewAsk(s.in.ToolName, s.in.ToolInput)
	if agent.UseGrant(s.Home, s.Task, s.Gen, ask) {
		s.goesOn(begins)
		return
	}
	note := string(s.in.ToolInput)
	for _, what := range []string{in.Path, in.Command} {
		if what != "" {
			note = what
		}
	}
	r := begins
	r.State, r.Reason, r.Note = event.RecordWaiting, event.WaitPermission, text.Line(s.in.ToolName+": "+note, noteLimit)
	answer, ok := s.Hold(ctx, s.key(), mail.NewRequest(), ask, r, begins, s.write)
	if !ok {
		answer = mail.Answer{Decision: mail.Deny}
	}
	if why := agent.Refusal(ask, answer); why != "" {
		s.refuse(why)
	}
}

// question holds a question until it is answered. The answer goes to the model as the reason why the tool did not run: the tool
// itself would open a dialog.
func (s *hookState) question(ctx context.Context, in input) {
	var questions []event.Question
	var all []string
	for _, q := range in.Questions {
		questions = append(questions, event.Question{Text: q.Question, Header: q.Header, Options: q.Options, Multi: q.Multi})
		all = append(all, q.Question)
	}
	if len(questions) == 0 {
		s.refuse("This question has no text.")
		return
	}
	ask := event.NewAsk(s.in.ToolName, s.in.ToolInput).WithQuestions(questions)
	r := event.Record{
		State: event.RecordWaiting, Reason: event.WaitQuestion, Tool: s.in.ToolName, ToolUseID: s.key(), Note: text.Line(strings.Join(all, " / "), noteLimit),
	}
	if len(questions) == 1 {
		for _, o := range questions[0].Options {
			r.Options = append(r.Options, o.Label)
		}
	}
	answer, ok := s.Hold(ctx, s.key(), mail.NewRequest(), ask, r, event.Record{State: event.RecordWorking}, s.write)
	if !ok || answer.Decision == mail.Deny || answer.Hash != ask.Hash {
		if answer.Text == "" {
			answer.Text = "Nobody is there to ask. Go on with what you would recommend, and say so in your last message."
		}
		s.refuse(answer.Text)
		return
	}
	var b strings.Builder
	b.WriteString("This is no error: the question was answered by another way than its dialog.")
	for i, chosen := range agent.Chosen(questions, answer.Text) {
		fmt.Fprintf(&b, "\nQuestion: %s\nAnswer: %s", text.Line(questions[i].Text, noteLimit), chosen)
	}
	s.refuse(b.String())
}
