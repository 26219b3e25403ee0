package claude

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/mail"
	"muster/internal/regular"
	"muster/internal/text"
)

// askedDir is the directory of open requests in home.Gen.RW, one file for each. The agent gives a
// permission request no id, so the file is named after the tool use. The end of the tool finds the request by that
// name.
const askedDir = "asked"

// lookAgain is how often a waiting hook checks whether its request is still open.
const lookAgain = time.Second

// permission holds a permission request or a question open until it is answered through the mailbox. If no answer
// comes, it ends without a decision, and the dialog stays open for a person.
func (s *hookState) permission(ctx context.Context) {
	questions := s.questions()
	ask := event.NewAsk(s.in.ToolName, s.in.ToolInput).WithQuestions(questions)
	if len(questions) == 0 && agent.UseGrant(s.home, s.task, s.gen, ask) {
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
	_ = s.box().Ask(id, ask)
	noted := s.openRequest(r)
	s.write(r)
	answer, ok := s.awaitAnswer(ctx, id, noted)
	if !ok {
		return
	}
	if len(questions) > 0 {
		s.replyQuestion(questions, ask, answer)
	} else {
		s.replyPermission(ask, answer)
	}
	s.closeRequest()
	// The agent continues when this process ends, so no later record can overtake this one.
	done := s.tool(event.RecordWorking)
	done.Request = id
	s.goesOn(done)
}

// awaitAnswer waits for the answer while the request is open and the agent lives.
func (s *hookState) awaitAnswer(ctx context.Context, id string, noted bool) (mail.Answer, bool) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(s.waitLimit, defaultWait)+waitGrace)
	defer cancel()
	for ctx.Err() == nil && (!noted || s.requestOpen()) {
		slice, cancel := context.WithTimeout(ctx, lookAgain)
		answer, err := s.box().AwaitWhile(slice, id, s.PPID)
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
	if a.Allows(ask.Hash) && !ask.Cut {
		decision := map[string]any{"behavior": "allow"}
		if s.in.ToolName == "ExitPlanMode" { // the agent ignores an answer to a plan that lacks the plan
			decision["updatedInput"] = s.in.ToolInput
		}
		s.replyDecision(decision)
		return
	}
	why := a.Text
	switch {
	case a.Decision != mail.Deny:
		why = "This was not allowed: the answer was given to a request with another text. Ask again, in a shorter form if it is long."
	case why == "":
		why = "This was not allowed. Nobody is there to ask: go on another way."
	}
	s.replyDecision(map[string]any{"behavior": "deny", "message": why})
}

// replyQuestion answers each question with its line of the text if there are as many lines as questions, otherwise
// with the whole text. A number selects an option, and "allow" selects the first, which the agent recommends. It uses
// only an answer to the questions that were shown.
func (s *hookState) replyQuestion(questions []event.Question, ask event.Ask, a mail.Answer) {
	if a.Decision == mail.Deny || a.Hash != ask.Hash {
		s.replyPermission(event.Ask{}, a)
		return
	}
	lines := strings.Split(strings.TrimSpace(a.Text), "\n")
	answers := map[string]string{}
	for i, q := range questions {
		text := strings.TrimSpace(a.Text)
		if len(lines) == len(questions) {
			text = strings.TrimSpace(lines[i])
		}
		if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= len(q.Options) {
			text = q.Options[n-1].Label
		}
		if text == "" && len(q.Options) > 0 {
			text = q.Options[0].Label
		}
		answers[q.Text] = text
	}
	input := map[string]any{}
	_ = json.Unmarshal(s.in.ToolInput, &input)
	input["answers"] = answers
	s.replyDecision(map[string]any{"behavior": "allow", "updatedInput": input})
}

func (s *hookState) replyDecision(decision map[string]any) {
	s.reply(map[string]any{"hookSpecificOutput": map[string]any{"hookEventName": "PermissionRequest", "decision": decision}})
}

// askedFile returns the path of the file for the request of this tool use.
func (s *hookState) askedFile() string {
	var input any // encoded again, so that the order of keys and white space do not matter
	_ = json.Unmarshal(s.in.ToolInput, &input)
	canonical, _ := json.Marshal([]any{s.in.AgentID, s.in.ToolName, input})
	sum := sha256.Sum256(canonical)
	return filepath.Join(s.files.RW(), askedDir, hex.EncodeToString(sum[:16]))
}

// openRequest stores an open request. It reports whether that worked.
func (s *hookState) openRequest(r event.Record) bool {
	path := s.askedFile()
	b, err := json.Marshal(r)
	return err == nil && os.MkdirAll(filepath.Dir(path), 0o700) == nil && os.WriteFile(path, b, 0o600) == nil
}

// requestOpen reports whether the request of this tool use is still open.
func (s *hookState) requestOpen() bool {
	_, err := os.Stat(s.askedFile())
	return err == nil
}

// otherRequest returns a request that is open for another tool. The work of a parallel tool or a subagent does not
// end that wait.
func (s *hookState) otherRequest() (event.Record, bool) {
	dir := filepath.Join(s.files.RW(), askedDir)
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) == 0 {
		return event.Record{}, false
	}
	own := filepath.Base(s.askedFile())
	for _, e := range entries {
		if e.Name() == own {
			continue
		}
		if r, ok := readRequest(filepath.Join(dir, e.Name())); ok {
			return r, true
		}
	}
	return event.Record{}, false
}

func readRequest(path string) (r event.Record, ok bool) {
	b, err := regular.Read(path, 1<<20)
	return r, err == nil && json.Unmarshal(b, &r) == nil
}

// closeAllRequests removes every request. The agent takes no prompt while a dialog is open, so a prompt closes them.
func (s *hookState) closeAllRequests() { _ = os.RemoveAll(filepath.Join(s.files.RW(), askedDir)) }

// closeRequest removes the request of this tool use and returns its id; "" if there was none.
func (s *hookState) closeRequest() string {
	path := s.askedFile()
	r, ok := readRequest(path)
	if !ok {
		return ""
	}
	_ = os.Remove(path)
	return r.Request
}
