package sim

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/home"
	"muster/internal/mail"
)

func simLaunch(t *testing.T) agent.Launch {
	t.Helper()
	return agent.Launch{
		Home: home.Dir(t.TempDir()), Task: "t4", Gen: 2, Exe: "/bin/muster-1", Prompt: "Do it.\n", Conversation: "c-1", GoOn: "Go on now.",
		Messages: []mail.Message{{ID: "m1", Text: "and this"}}, Spec: event.Spec{Kind: "sim", Args: []string{"--script", "/x"}},
	}
}

func TestSimStartsTheProgramItself(t *testing.T) {
	t.Parallel()
	l := simLaunch(t)
	for _, c := range []struct {
		resume bool
		prompt string
	}{{false, "Do it.\n\n[muster m1]\nand this\n"}, {true, "Go on now.\n\n[muster m1]\nand this\n"}} {
		l.Resume = c.resume
		plan, err := New().Plan(l)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"/bin/muster-1", "sim", "--conversation", "c-1", "--state", filepath.Join(l.Home.TaskDir("t4"), "sim")}
		if c.resume {
			want = append(want, "--resume")
		}
		if d := cmp.Diff(append(want, "--script", "/x"), plan.Argv); d != "" {
			t.Error(d)
		}
		if len(plan.Files) != 1 || string(plan.Files[0].Data) != c.prompt || plan.Files[0].Mode != 0o600 {
			t.Errorf("files %+v", plan.Files)
		}
		file := "MUSTER_PROMPT_FILE=" + filepath.Join(l.Dirs().RO(), plan.Files[0].Path)
		if !slices.Equal(plan.Env, []string{file}) {
			t.Errorf("env %q", plan.Env)
		}
	}
	l.Exe = "muster"
	if _, err := New().Plan(l); err == nil {
		t.Error("a relative program is accepted")
	}
}

func TestSimLooksForMessagesInItsTranscript(t *testing.T) {
	t.Parallel()
	l := simLaunch(t)
	if New().Resumable(l) {
		t.Error("resumable without a transcript")
	}
	if d, err := New().Delivered(l, "m1"); err != nil || d != agent.DeliveryAbsent {
		t.Errorf("without a transcript: %v, %v", d, err)
	}
	text := `{"kind":"begin"}
{"kind":"prompt","turn":1,"text":"Do it.\n[muster m1]"}
{"kind":"queued","text":"[muster m2]"}
{"kind":"queued","text":"[muster m3]"}
{"kind":"prompt","turn":2,"text":"[muster m3]"}
{"kind":"prom`
	path := transcriptOf(l)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if !New().Resumable(l) {
		t.Error("not resumable")
	}
	for m, want := range map[event.MessageID]agent.Delivery{
		"m1": agent.DeliveryAcknowledged, "m2": agent.DeliveryEnqueued, "m3": agent.DeliveryAcknowledged, "m4": agent.DeliveryAbsent, "m": agent.DeliveryAbsent,
	} {
		if d, err := New().Delivered(l, m); err != nil || d != want {
			t.Errorf("%s: %v, %v, want %v", m, d, err, want)
		}
	}
}

func TestSimNeedsTheVariablesItsSpecNames(t *testing.T) {
	t.Parallel()
	p := agent.Preflight{Spec: event.Spec{Agent: "sim", EnvFrom: []string{"X"}}}
	if err := New().Check(t.Context(), p); !fault.Is(err, fault.Conflict) {
		t.Errorf("got %v", err)
	}
	p.Env = []string{"X=1"}
	if err := New().Check(t.Context(), p); err != nil {
		t.Error(err)
	}
	if tr := New().Facts().Traits; tr.Door != event.DoorPaste || !tr.Resumes || tr.FirstRecord <= 0 || tr.ExitIsTurn {
		t.Errorf("traits %+v", tr)
	}
}
