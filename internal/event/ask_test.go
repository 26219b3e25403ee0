package event_test

import (
	"strings"
	"testing"

	"muster/internal/event"
)

func TestAskKeepsTheWholeInput(t *testing.T) {
	t.Parallel()
	input := `{"command":"` + strings.Repeat("harmless ", 500) + `; rm -rf /"}`
	a := event.NewAsk("Bash", []byte(input))
	if a.Input != input || a.Cut || a.Size != len(input) || len(a.Hash) != 64 {
		t.Errorf("kept %d of %d bytes, cut %v, hash %q", len(a.Input), len(input), a.Cut, a.Hash)
	}
}

func TestAskThatIsTooLongIsCutAndKeepsTheHashOfTheWhole(t *testing.T) {
	t.Parallel()
	long := `{"command":"` + strings.Repeat("é", event.MaxInput) + `"}`
	a := event.NewAsk("Bash", []byte(long))
	b := event.NewAsk("Bash", []byte(strings.TrimSuffix(long, `"}`)+`; rm -rf /"}`))
	if !a.Cut || len(a.Input) > event.MaxInput || a.Size != len(long) {
		t.Errorf("cut %v, %d bytes of %d", a.Cut, len(a.Input), a.Size)
	}
	if a.Input != b.Input || a.Hash == b.Hash {
		t.Error("two requests with the same beginning have the same hash")
	}
}

func TestAskHashes(t *testing.T) {
	t.Parallel()
	hash := func(tool, input string) string { return event.NewAsk(tool, []byte(input)).Hash }
	one := hash("Bash", `{"a":1,"b":"<x>"}`)
	for name, c := range map[string]struct {
		tool, input string
		same        bool
	}{
		"order of keys":     {"Bash", `{"b":"<x>","a":1}`, true},
		"white space":       {"Bash", "{ \"a\" : 1,\n\"b\":\"<x>\"}", true},
		"an escape":         {"Bash", `{"a":1,"b":"\u003cx>"}`, true},
		"another tool":      {"Write", `{"a":1,"b":"<x>"}`, false},
		"another value":     {"Bash", `{"a":2,"b":"<x>"}`, false},
		"a space in a text": {"Bash", `{"a":1,"b":"<x> "}`, false},
		"something behind":  {"Bash", `{"a":1,"b":"<x>"}{}`, false},
	} {
		if got := hash(c.tool, c.input) == one; got != c.same {
			t.Errorf("%s: the same hash is %v, want %v", name, got, c.same)
		}
	}
	if hash("Bash", `{"n":12345678901234567890}`) == hash("Bash", `{"n":12345678901234567891}`) {
		t.Error("large numbers are rounded")
	}
}

func TestAskOfSomebodyElseIsChecked(t *testing.T) {
	t.Parallel()
	good := event.NewAsk("Bash", []byte(`{"command":"ls"}`))
	if got := good.Checked("Bash"); got.Cut || got.Input != good.Input {
		t.Errorf("a whole request is taken as cut: %+v", got)
	}
	for name, change := range map[string]func(*event.Ask){
		"another input":   func(a *event.Ask) { a.Input = `{"command":"rm"}` },
		"another hash":    func(a *event.Ask) { a.Hash = strings.Repeat("0", 64) },
		"no hash":         func(a *event.Ask) { a.Hash = "" },
		"a larger size":   func(a *event.Ask) { a.Size++ },
		"a huge input":    func(a *event.Ask) { a.Input = strings.Repeat("x", 2*event.MaxInput) },
		"many questions":  func(a *event.Ask) { a.Questions = make([]event.Question, 1000) },
		"a huge question": func(a *event.Ask) { a.Questions = []event.Question{{Text: strings.Repeat("x", 1<<20)}} },
		"it says so":      func(a *event.Ask) { a.Cut = true },
	} {
		a := good
		change(&a)
		got := a.Checked("Bash")
		size := len(got.Input)
		for _, q := range got.Questions {
			size += len(q.Text)
		}
		if !got.Cut || size > 2*event.MaxInput {
			t.Errorf("%s: cut %v, %d bytes", name, got.Cut, size)
		}
	}
	if got := event.NewAsk("Bash", []byte("\"a\xffb\"")); !got.Cut {
		t.Error("an input that is not UTF-8 counts as whole")
	}
}
