package forge

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/internal/fault"
	"muster/internal/life"
)

// program writes a shell script that stands for a forge.
func program(t *testing.T, script string) *Command {
	t.Helper()
	path := filepath.Join(t.TempDir(), "forge")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	c, err := NewCommand([]string{path}, []string{"PATH=" + os.Getenv("PATH")})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCommand_ABadAnswerIsNoVerdict(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		script, want string
		class        Class
	}{
		"nothing":          {"cat >/dev/null", "answers no JSON", Unreachable},
		"half":             {`echo '{"login":"x"'`, "answers no JSON", Unreachable},
		"another shape":    {`echo '{"login":7}'`, "answers no JSON", Unreachable},
		"a failure":        {`echo '{"login":"x","push":true}'; echo 'no route' >&2; exit 3`, "exited with status 3: no route", Unreachable},
		"hostile words":    {`printf '{"error":{"class":"login","message":"\\u001b[2Jlog in"}}'; exit 1`, "log in", Login},
		"an unknown class": {`echo '{"error":{"class":"merged","message":"x"}}'`, "x", Unreachable},
		"it does not read": {`exit 0`, "answers no JSON", Unreachable},
	} {
		c := program(t, tt.script)
		_, err := c.Check(t.Context(), widget)
		if !hasClass(err, tt.class) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := c.Poll(t.Context(), widget, []int{1}); err == nil {
			t.Errorf("%s: Poll has an answer", name)
		}
		if _, err := c.MayWrite(t.Context(), widget, "x"); err == nil {
			t.Errorf("%s: MayWrite has an answer", name)
		}
	}
	if _, err := NewCommand([]string{"/nowhere/forge"}, nil); !fault.Is(err, fault.Conflict) || !strings.Contains(fault.HintOf(err), "[forges]") {
		t.Errorf("without a program: %v", err)
	}
	big := program(t, `yes '{"login":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}' | head -c 9000000`)
	if _, err := big.Poll(t.Context(), widget, []int{1}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a long answer: %v", err)
	}
}

func TestCommand_TakesOnlyWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	c := program(t, `cat >/dev/null; echo '{"changes":[{"number":1,"state":"merged"},{"number":2,"state":"gone"},{"number":-3,"state":"merged"},
{"number":4,"state":"open","checks":[{"name":"a","state":"green"}],"words":[{"id":"a b","author":"x","text":"x"},{"id":"1","author":"","text":"x"},{"id":"1","author":"x","text":" "}]}]}'`)
	polled, err := c.Poll(t.Context(), widget, []int{2, 4})
	if err != nil || len(polled.Changes) != 1 || len(polled.Changes[4].Words) != 0 || polled.Changes[4].Checks[0].State != life.CheckVoid {
		t.Errorf("Poll = %+v, %v", polled, err)
	}
	if _, err := c.Create(t.Context(), widget, Draft{Head: "work"}); !hasClass(err, Unreachable) {
		t.Errorf("Create = %v", err)
	}
}

// The example of the page is run as it stands there, but for the scheme: the server here has no certificate.
func TestCommand_TheExampleOfThePageWorks(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "publishing.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, script, _ := strings.Cut(string(page), "```js\n")
	script, _, ok := strings.Cut(script, "```")
	if !ok || strings.Count(script, "\n") > 26 {
		t.Fatalf("the page has no short example: %q", script)
	}
	pull := map[string]any{
		"number": 3, "html_url": "https://x/3", "state": "open", "merged": false, "mergeable": true,
		"head": map[string]any{"ref": "muster/t1", "sha": "abc", "repo": map[string]any{"full_name": "acme/widget"}}, "base": map[string]any{"ref": "main"},
	}
	made := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		say := func(status int, v any) { w.WriteHeader(status); _ = json.NewEncoder(w).Encode(v) }
		switch path := strings.TrimPrefix(r.URL.Path, "/api/v1/"); {
		case r.Header.Get("Authorization") != "token secret":
			say(http.StatusUnauthorized, map[string]any{"message": "token is required"})
		case path == "user":
			say(http.StatusOK, map[string]any{"login": "me"})
		case path == "repos/acme/widget":
			say(http.StatusOK, map[string]any{"archived": false, "permissions": map[string]any{"push": true}})
		case path == "repos/acme/widget/pulls" && r.Method == http.MethodPost:
			made = true
			say(http.StatusCreated, pull)
		case path == "repos/acme/widget/pulls" && made:
			say(http.StatusOK, []any{pull})
		case path == "repos/acme/widget/pulls":
			say(http.StatusOK, []any{})
		case path == "repos/acme/widget/pulls/3":
			say(http.StatusOK, pull)
		case path == "repos/acme/widget/commits/abc/status":
			say(http.StatusOK, map[string]any{"statuses": []any{map[string]any{"context": "ci", "status": "failure", "description": "red", "updated_at": "2026-11-27T01:00:00Z"}}})
		case path == "repos/acme/widget/issues/3/comments":
			say(http.StatusOK, []any{map[string]any{"id": 9, "user": map[string]any{"login": "ann"}, "body": "rename it", "created_at": "2026-11-27T01:00:00Z"}})
		case path == "repos/acme/widget/collaborators/ann/permission":
			say(http.StatusOK, map[string]any{"permission": "write"})
		default:
			say(http.StatusNotFound, map[string]any{"message": "not found"})
		}
	}))
	defer server.Close()
	home := t.TempDir()
	path, token := filepath.Join(home, "gitea-forge"), filepath.Join(home, ".gitea-token")
	for file, content := range map[string]string{path: strings.ReplaceAll(script, "https://${", "http://${"), token: "secret\n"} {
		if err := os.WriteFile(file, []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c, err := NewCommand([]string{path}, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home})
	if err != nil {
		t.Fatal(err)
	}
	r := Repo{Host: strings.TrimPrefix(server.URL, "http://"), Owner: "acme", Name: "widget"}
	if l, err := c.Check(t.Context(), r); err != nil || l.Name != "me" || !l.Push {
		t.Errorf("Check = %+v, %v", l, err)
	}
	for range 2 {
		if p, err := Open(t.Context(), c, r, Draft{Head: "muster/t1", Base: "main", Commit: "abc", Title: "x"}); err != nil || p.Number != 3 || p.URL != "https://x/3" {
			t.Errorf("Open = %+v, %v", p, err)
		}
	}
	polled, err := c.Poll(t.Context(), r, []int{3})
	change := polled.Changes[3]
	if err != nil || change.Phase != life.ReviewOpen || change.Head != "abc" || len(change.Checks) != 1 || change.Checks[0].State != life.CheckFailed || len(change.Words) != 1 ||
		change.Words[0].ID != "c9" || !change.Words[0].At.Equal(time.Date(2026, 11, 27, 1, 0, 0, 0, time.UTC)) {
		t.Errorf("Poll = %+v, %v", polled, err)
	}
	if may, err := c.MayWrite(t.Context(), r, "ann"); err != nil || !may {
		t.Errorf("MayWrite = %v, %v", may, err)
	}
	if err := os.WriteFile(token, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Check(t.Context(), r); !hasClass(err, Login) {
		t.Errorf("with an old token: %v", err)
	}
}
