package recipe

import (
	"encoding/json"
	"strings"
	"testing"

	"muster/internal/event"
)

func TestAt_FollowsAPointer(t *testing.T) {
	t.Parallel()
	var doc any
	if err := json.Unmarshal([]byte(`{"a/b":{"m~n":[10,{"x":"y"}]},"":"empty","n":null}`), &doc); err != nil {
		t.Fatal(err)
	}
	for pointer, want := range map[string]string{
		"/a~1b/m~0n/0": "10", "/a~1b/m~0n/1/x": "y", "/": "empty", "/n": "", "/a~1b/m~0n/00": "", "/a~1b/m~0n/-": "", "/a~1b/m~0n/2": "", "/none": "", "/a~1b": "",
	} {
		if got := Text(doc, pointer); got != want {
			t.Errorf("%s is %q, want %q", pointer, got, want)
		}
	}
	for _, bad := range []string{"", "a", "/a~", "/a~2", "/" + strings.Repeat("x", maxWord)} {
		if CheckPointer(bad) == "" {
			t.Errorf("%q is taken for a pointer", bad)
		}
	}
}

func TestMatch_ComparesNumbersByValue(t *testing.T) {
	t.Parallel()
	meanings := []event.RecipeEvent{
		{State: event.MeansError, When: map[string]any{"/status": int64(401)}},
		{State: event.MeansDone, When: map[string]any{"/status": "401"}},
		{State: event.MeansIdle},
	}
	for payload, want := range map[any]event.RecipeMeaning{
		json.Number("401"): event.MeansError, json.Number("401.0"): event.MeansError, float64(401): event.MeansError, "401": event.MeansDone, true: event.MeansIdle,
	} {
		if m, ok := Match(meanings, map[string]any{"status": payload}); !ok || m.State != want {
			t.Errorf("%#v means %q, want %q", payload, m.State, want)
		}
	}
	if _, ok := Match(meanings[:2], nil); ok {
		t.Error("a payload without fields fits a condition")
	}
}

func TestFill_ReadsNoValueAgain(t *testing.T) {
	t.Parallel()
	values := map[string]string{"prompt": "{session} \"x\"", "session": "s1", "muster": "'/a b'"}
	if got := Fill("{session}:{prompt}:{other}", values); got != `s1:{session} "x":{other}` {
		t.Errorf("got %s", got)
	}
	if got := FillFile("a.json", `{"run":"{muster} {prompt}"}`, map[string]string{"muster": `"m"`, "prompt": "p"}); got != `{"run":"\"m\" {prompt}"}` {
		t.Errorf("got %s", got)
	}
	said := Answer(`{"no":"{reason}"}`, "reason", "a \"quote\"\n{reason}\x1b")
	if !json.Valid([]byte(said)) || !strings.Contains(said, `{reason}`) {
		t.Errorf("got %s", said)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(`{"events":{"Stop":"idle","a":[{"state":"error","error":"auth","when":{"/x":1}}]},"fields":{"session":["/a","/b"]},"hooks":"claude"}`)
	f.Add(`{"files":{"../x":"y"},"record":{"events":{"a":{}}},"usage":{"inclusive":1},"quit":[]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var table map[string]any
		if json.Unmarshal([]byte(text), &table) != nil {
			return
		}
		_, problems := Decode(table)
		for _, p := range problems {
			if p.What == "" {
				t.Errorf("a problem without words at %q", p.Key())
			}
		}
	})
}
