package notify

import (
	"strings"
	"testing"

	"muster/internal/config"
	"muster/internal/event"
	"muster/internal/life"
)

// asking returns a task that waits for a permission.
func asking(input string) life.Task {
	a := event.NewAsk("Bash", []byte(input))
	return life.Task{ID: "t1", State: event.Waiting, Request: &event.RequestOpened{Request: "q1", Reason: event.WaitPermission, Tool: "Bash", Text: "make", Ask: &a}}
}

func labels(all []Choice) string {
	var out []string
	for _, c := range all {
		out = append(out, c.Label+"="+c.Words)
	}
	return strings.Join(out, " ")
}

func TestChoices_NothingIsAllowedThatIsNotShownWhole(t *testing.T) {
	t.Parallel()
	question := func(options ...string) life.Task {
		return life.Task{ID: "t1", State: event.Waiting, Request: &event.RequestOpened{Request: "q1", Reason: event.WaitQuestion, Text: "Which?", Options: options}}
	}
	cut := asking(`{"command":"make"}`)
	cut.Request.Ask.Cut = true
	several := question("a", "b")
	several.Request.Ask = &event.Ask{Questions: []event.Question{{Text: "x"}, {Text: "y"}}}
	many := question("a", "b")
	many.Request.Ask = &event.Ask{Questions: []event.Question{{Text: "x", Multi: true}}}
	held := question("a")
	held.Request.Request = "" // no hook holds it
	over := question("a")
	over.State = event.Working
	for name, c := range map[string]struct {
		task   life.Task
		answer string
		want   string
	}{
		"a permission":              {asking(`{"command":"make; rm -rf build"}`), config.AnswerAll, "Allow=allow Deny=deny"},
		"a long permission":         {asking(`{"command":"` + strings.Repeat("x", mostRequest) + `"}`), config.AnswerAll, "Deny=deny"},
		"a cut permission":          {cut, config.AnswerAll, "Deny=deny"},
		"a permission not allowed":  {asking(`{"command":"make"}`), config.AnswerQuestion, ""},
		"a channel without answers": {question("a"), "", ""},
		"a question":                {question("a", "b"), config.AnswerQuestion, "1 a=1 2 b=2"},
		"an open question":          {question(), config.AnswerQuestion, ""},
		"four options":              {question("a", "b", "c", "d"), config.AnswerQuestion, ""},
		"an option of two lines":    {question("a\nb"), config.AnswerQuestion, ""},
		"a long option":             {question(strings.Repeat("a", mostOption+1)), config.AnswerQuestion, ""},
		"several questions":         {several, config.AnswerQuestion, ""},
		"several answers":           {many, config.AnswerQuestion, ""},
		"a request of its terminal": {held, config.AnswerQuestion, ""},
		"a request that is over":    {over, config.AnswerQuestion, ""},
	} {
		if got := labels(Choices(c.task, c.answer)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if whole := Request(*asking("{\"command\":\"make\\u001b[2J; rm -rf build\"}").Request); !strings.Contains(whole, "rm -rf build") || strings.Contains(whole, "\x1b") {
		t.Errorf("the request is shown as %q", whole)
	}
}

func TestCode_IsOfOneChoiceOfOneRequestUnderOneKey(t *testing.T) {
	t.Parallel()
	key, seen := make([]byte, 32), map[string]string{}
	add := func(what string, key []byte, task life.Task, c Choice) {
		code := Code(key, task, c)
		if was, double := seen[code]; double || len(code) != 32 {
			t.Errorf("the code of %s is that of %s: %s", what, was, code)
		}
		seen[code] = what
	}
	task := asking(`{"command":"make"}`)
	allow, deny := Choice{Words: "allow"}, Choice{Words: "deny"}
	add("a choice", key, task, allow)
	add("another choice", key, task, deny)
	add("another text", key, asking(`{"command":"make all"}`), allow)
	add("another key", append([]byte{1}, key[1:]...), task, allow)
	task.ID = "t2"
	add("another task", key, task, allow)
	task.ID, task.Request.Request = "t1", "q2"
	add("another request", key, task, allow)
	if ReplyTopic(key, "a") == ReplyTopic(key, "b") || strings.Contains(ReplyTopic(key, "secret"), "secret") {
		t.Error("the topic of codes shows that of messages, or is not its own")
	}
}
