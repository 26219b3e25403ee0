package status

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/text"
)

func fullRecord() event.Record {
	exit := 3
	return event.Record{
		V: 1, Time: time.Date(2026, 11, 24, 5, 48, 0, 0, time.UTC), Gen: 2, Src: "hook", State: event.RecordWaiting,
		Reason: event.WaitQuestion, Note: "tests <run> & pass", Tool: "Bash", ToolUseID: "toolu_1", SessionID: "s", PromptID: "p",
		Message: "m17", Request: "q1", Options: []string{"Red", "Blue"}, PermissionMode: "default", Error: event.ErrorOther,
		Until: time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC), Usage: &event.Usage{InputTokens: 5, CostUSD: 0.5},
		Background: true, Prompted: true, Transcript: "/x/y.jsonl", PID: 4, Exit: &exit, Signal: 9,
	}
}

func TestParseTakesWhatMusterAndShellsWrite(t *testing.T) {
	t.Parallel()
	full, err := encode(fullRecord())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		line string
		want event.Record
	}{
		{`{"state":"working"}`, event.Record{V: 1, State: "working"}},
		{"  {\"state\":\"working\",\"note\":\"a\"}\r\n", event.Record{V: 1, State: "working", Note: "a"}},
		{`{"state":"idle","mood":{"deep":[1,2]}}`, event.Record{V: 1, State: "idle"}},
		{`{"state":"error"}`, event.Record{V: 1, State: "error", Error: "other"}},
		{`{"state":"error","error":"novel"}`, event.Record{V: 1, State: "error", Error: "other"}},
		{`{"state":"waiting","reason":"novel"}`, event.Record{V: 1, State: "waiting", Reason: "dialog"}},
		{`{"state":"idle","usage":{"input_tokens":-1}}`, event.Record{V: 1, State: "idle"}},
		{`{"state":"idle","time":"0001-02-03T00:00:00Z"}`, event.Record{V: 1, State: "idle", Time: time.Date(1, 2, 3, 0, 0, 0, 0, time.UTC)}},
		{`{"state":"working","note":"\u001b[31mred\u0007\tx\u202e\u0085"}`, event.Record{V: 1, State: "working", Note: "red x"}},
		{string(full), fullRecord()},
	} {
		got, err := Parse([]byte(c.line))
		if err != nil {
			t.Errorf("Parse(%s): %v", c.line, err)
			continue
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("Parse(%s) (-want +got):\n%s", c.line, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"", "null", "[]", "working", `{"state":"working"`, `{"state":"working"} x`, `{"state":"happy"}`, `{"note":"a"}`,
		`{"state":"working","gen":"3"}`, "\x00\x00\x00\x00", `{"state":"working","time":"soon"}`,
		`{"state":"working","note":"` + strings.Repeat("a", MaxLine) + `"}`,
	} {
		if r, err := Parse([]byte(line)); err == nil {
			t.Errorf("Parse(%.60q) = %+v, want an error", line, r)
		}
	}
}

func TestParseCutsEveryText(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", 600)
	options := make([]string, 30)
	for i := range options {
		options[i] = long
	}
	line, err := json.Marshal(map[string]any{
		"state": "working", "note": long, "tool": long, "session_id": long, "src": long, "message": long, "options": options[:25],
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Parse(line)
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string][2]int{
		"note":       {utf8.RuneCountInString(r.Note), 500},
		"tool":       {utf8.RuneCountInString(r.Tool), 100},
		"session_id": {utf8.RuneCountInString(r.SessionID), 200},
		"src":        {utf8.RuneCountInString(r.Src), 200},
		"message":    {utf8.RuneCountInString(string(r.Message)), 200},
		"options":    {len(r.Options), 20},
		"option":     {utf8.RuneCountInString(r.Options[19]), 200},
	} {
		if got[0] != got[1] {
			t.Errorf("%s has %d, want %d", name, got[0], got[1])
		}
	}
}

func TestValidateNamesTheField(t *testing.T) {
	t.Parallel()
	soon := time.Now()
	for _, c := range []struct {
		r     event.Record
		field string
	}{
		{event.Record{State: "working", Note: "x"}, ""},
		{event.Record{State: "waiting", Reason: "question"}, ""},
		{event.Record{State: "error", Error: "auth"}, ""},
		{event.Record{State: "limited", Until: soon}, ""},
		{event.Record{}, "state"},
		{event.Record{State: "happy"}, "state"},
		{event.Record{State: "waiting"}, "reason"},
		{event.Record{State: "waiting", Reason: "fun"}, "reason"},
		{event.Record{State: "working", Reason: "question"}, "reason"},
		{event.Record{State: "error"}, "error"},
		{event.Record{State: "error", Error: "boredom"}, "error"},
		{event.Record{State: "idle", Error: "auth"}, "error"},
		{event.Record{State: "limited"}, "until"},
		{event.Record{State: "idle", Until: soon}, "until"},
		{event.Record{State: "idle", Note: strings.Repeat("é", 501)}, "note"},
		{event.Record{State: "idle", Note: strings.Repeat("é", 500)}, ""},
		{event.Record{State: "idle", Tool: strings.Repeat("x", 101)}, "tool"},
		{event.Record{State: "idle", SessionID: strings.Repeat("x", 201)}, "session_id"},
		{event.Record{State: "idle", Options: make([]string, 21)}, "options"},
		{event.Record{State: "idle", Options: []string{strings.Repeat("x", 201)}}, "options"},
	} {
		err := Validate(c.r)
		if c.field == "" {
			if err != nil {
				t.Errorf("Validate(%+v) = %v, want nil", c.r, err)
			}
			continue
		}
		if err == nil || fault.CodeOf(err) != fault.Usage || !strings.HasPrefix(err.Error(), c.field+":") {
			t.Errorf("Validate(%+v) = %v, want a usage error about %s", c.r, err, c.field)
		}
	}
}

func FuzzParse(f *testing.F) {
	full, err := encode(fullRecord())
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{string(full), `{"state":"working"}`, `{"state":"idle","note":"\u001b[31m\u202e"}`, `{"state":"idle","options":[]}`, "null", "{", "\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := Parse(line)
		if err != nil {
			if msg := err.Error(); msg != text.Field(msg, 1000) {
				t.Fatalf("the error carries foreign characters: %q", msg)
			}
			return
		}
		for _, s := range append([]string{r.Note, r.Tool, r.SessionID, r.Src, r.Request, string(r.Message), r.Transcript}, r.Options...) {
			if s != text.Field(s, maxPath) {
				t.Fatalf("not clean: %q", s)
			}
		}
		// A parsed record can be encoded, and parses to the same record.
		again, err := encode(r)
		if err != nil {
			if r.Time.Year() > 9999 || r.Until.Year() > 9999 {
				return
			}
			t.Fatalf("encode: %v", err)
		}
		r2, err := Parse(again)
		if err != nil {
			t.Fatalf("Parse(encode(Parse)): %v", err)
		}
		if r.Time.IsZero() {
			r2.Time = r.Time // filled in
		}
		if diff := cmp.Diff(r, r2); diff != "" {
			t.Fatalf("changed (-first +second):\n%s", diff)
		}
	})
}
