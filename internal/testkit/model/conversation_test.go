package model

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestConversation_HasAScriptOfItsOwn(t *testing.T) {
	t.Parallel()
	s := Start(t, Text("common"))
	red, blue := s.Conversation("<red>", Text("red one")), s.Conversation("<blue>")
	blue.Script(blue.Forever(Fail(429)))
	ask := func(prompt string) string {
		t.Helper()
		body := `{"model":"m","messages":[{"role":"user","content":"` + prompt + `"}],"tools":[{"type":"function","function":{"name":"x"}}]}`
		res, err := http.Post(s.URL+"/v1/chat/completions", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close() //nolint:errcheck // it was read
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.Status + string(b)
	}
	for _, c := range []struct{ prompt, want string }{
		{"do <blue>", "429"}, {"do <red>", "red one"}, {"do <blue>", "429"}, {"do <red>", `"ok"`}, {"another", "common"},
	} {
		if got := ask(c.prompt); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", c.prompt, got, c.want)
		}
	}
	blue.Script(Text("better"))
	if got := ask("do <blue>"); !strings.Contains(got, "better") {
		t.Errorf("after another script: %s", got)
	}
	if n, m := len(red.Requests()), len(blue.Requests()); n != 2 || m != 3 || len(s.Requests()) != 6 {
		t.Errorf("%d, %d and %d calls, want 2, 3 and 6", n, m, len(s.Requests()))
	}
}

func TestServer_CanBeAway(t *testing.T) {
	t.Parallel()
	s := Start(t)
	get := func() error {
		res, err := http.Get(s.URL)
		if err == nil {
			_ = res.Body.Close()
		}
		return err
	}
	for _, away := range []bool{false, true, false} {
		s.Away(away)
		if err := get(); (err != nil) != away {
			t.Errorf("away %t: %v", away, err)
		}
	}
}
