package intake

import (
	"context"
	"strings"
	"testing"

	"muster/internal/agent"
	"muster/internal/boot"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/home"
)

// counting is an adapter that counts how often it is asked, and refuses prompts of more than ten bytes.
type counting struct {
	agent.Adapter
	asked int
}

func (c *counting) Facts() agent.Facts { return agent.Facts{Variables: []string{"TOOL_DIR"}} }

func (c *counting) Check(_ context.Context, p agent.Preflight) error {
	c.asked++
	if len(p.Prompt) > 10 {
		return fault.New(fault.Usage, "too long")
	}
	return nil
}

func TestIntakeAsksTheAdapterOnceForEachKindOfTask(t *testing.T) {
	t.Parallel()
	in := New(boot.Fleet{Home: home.Dir(t.TempDir()), Caller: boot.Caller{Environ: []string{"TOOL_DIR=/x"}}}, t.TempDir())
	ad := &counting{}
	ask := func(s event.Spec, prompt string) error {
		t.Helper()
		missing, err := in.ready(t.Context(), ad, &checkout{}, s, prompt)
		if err == nil && strings.Join(missing, " ") != "TOOL_DIR" {
			t.Errorf("missing variables are %v", missing)
		}
		return err
	}
	for _, c := range []struct {
		what   string
		spec   event.Spec
		prompt string
		asked  int
		fails  bool
	}{
		{"the first", event.Spec{Name: "a", Agent: "x", Base: "main"}, "do it", 1, false},
		{"other words and limits", event.Spec{Name: "b", Agent: "x", Base: "main", Priority: 3, Rounds: 2, After: []event.TaskID{"t1"}}, "do so", 1, false},
		{"a longer prompt", event.Spec{Name: "b", Agent: "x", Base: "main"}, "do it now", 2, false},
		{"a prompt between", event.Spec{Name: "b", Agent: "x", Base: "main"}, "do it!", 2, false},
		{"a prompt that is too long", event.Spec{Name: "b", Agent: "x", Base: "main"}, "do it now and well", 3, true},
		{"the same again", event.Spec{Name: "b", Agent: "x", Base: "main"}, "do it now and well", 4, true},
		{"another base", event.Spec{Name: "b", Agent: "x", Base: "next"}, "do it", 5, false},
		{"the work of a task", event.Spec{Name: "b", Agent: "x", Base: "@t1"}, "do it", 6, false},
		{"the work of another task", event.Spec{Name: "b", Agent: "x", Base: "@t2"}, "do it", 6, false},
		{"another environment", event.Spec{Name: "b", Agent: "x", Base: "@t2", Env: map[string]string{"A": "b"}}, "do it", 7, false},
	} {
		if err := ask(c.spec, c.prompt); (err != nil) != c.fails || ad.asked != c.asked {
			t.Errorf("%s: %v; the adapter was asked %d times, want %d", c.what, err, ad.asked, c.asked)
		}
	}
}
