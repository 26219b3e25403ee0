package model_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"muster/internal/testkit/model"
)

func post(ctx context.Context, t *testing.T, url string, body map[string]any) (int, string) {
	t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	out, err := io.ReadAll(res.Body)
	if err != nil {
		return res.StatusCode, err.Error()
	}
	return res.StatusCode, string(out)
}

func ask(text string, stream bool) map[string]any {
	return map[string]any{
		"model": "m", "stream": stream, "tools": []any{map[string]any{"name": "Bash"}},
		"messages": []any{map[string]any{"role": "user", "content": text}},
	}
}

func TestTheScriptIsPlayedInOrderAndHelpersTakeNoStep(t *testing.T) {
	t.Parallel()
	s := model.Start(t, model.ToolUse("Edit", map[string]any{"file_path": "a.go"}), model.Error(529), model.Text("bye"))
	url := s.URL + "/v1/messages"
	helper := ask("make a title", false)
	delete(helper, "tools")
	if code, body := post(t.Context(), t, url, helper); code != 200 || !strings.Contains(body, `"text":"ok"`) {
		t.Errorf("helper: %d %s", code, body)
	}
	_, body := post(t.Context(), t, url, ask("one", true))
	for _, want := range []string{"event: message_start", `"name":"Edit"`, `{\"file_path\":\"a.go\"}`, `"stop_reason":"tool_use"`, "event: message_stop"} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is missing in %s", want, body)
		}
	}
	if code, body := post(t.Context(), t, url, ask("two", true)); code != 529 || !strings.Contains(body, "overloaded_error") {
		t.Errorf("error: %d %s", code, body)
	}
	if _, body := post(t.Context(), t, url, ask("three", false)); !strings.Contains(body, `"text":"bye"`) {
		t.Errorf("third: %s", body)
	}
	if got := len(s.Requests()); got != 3 {
		t.Errorf("%d requests, want 3", got)
	}
	if got := len(s.All()); got != 4 {
		t.Errorf("%d calls, want 4", got)
	}
	if s.Left() != 0 {
		t.Errorf("%d steps left", s.Left())
	}
}

func TestHangEndsWithTheServer(t *testing.T) {
	t.Parallel()
	s := model.New(model.Hang())
	t.Cleanup(s.Close)
	ended := make(chan string, 1)
	go func() {
		_, body := post(context.Background(), t, s.URL+"/v1/messages", ask("x", true))
		ended <- body
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := s.Await(ctx, func(r model.Request) bool { return r.Contains("x") }); err != nil {
		t.Fatal(err)
	}
	select {
	case body := <-ended:
		t.Fatalf("it answered: %s", body)
	case <-time.After(100 * time.Millisecond):
	}
	s.Close()
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Fatal("the call still hangs")
	}
}

func TestSeenCountsWhatTheUserSaid(t *testing.T) {
	t.Parallel()
	s := model.Start(t)
	post(t.Context(), t, s.URL+"/v1/messages", ask("[muster m1] and [muster m1]", false))
	if got := s.Seen("[muster m1]"); got != 2 {
		t.Errorf("seen %d times, want 2", got)
	}
}
