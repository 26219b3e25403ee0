package generic_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"

	"muster/internal/agent"
	"muster/internal/agent/agenttest"
	"muster/internal/agent/generic"
	"muster/internal/event"
	"muster/internal/recipe"
	"muster/internal/testkit/files"
)

// droid describes an agent that does not exist, as a person writes it below [agents.NAME].
const droid = `
resume = ["droid", "--resume", "{session}", "{goon}"]
session = "pinned"
[files]
"droid/hooks.json" = '{"prompt":"{muster} hook generic prompt"}'
[fields]
session = "/sid"
prompt = "/text"
tool = "/tool/name"
input = "/tool/input"
command = "/tool/input/cmd"
path = "/tool/input/file"
[events]
start = "working"
prompt = "prompted"
tool = { state = "tool", deny = '{"no":"{reason}"}' }
ended = { state = "tool_ended", words = '{"add":"{words}"}' }
ask = { state = "waiting", reason = "permission", allow = '{"yes":true}', deny = '{"no":"{reason}"}' }
notice = { state = "waiting", reason = "dialog", when = { "/kind" = "dialog" } }
stop = "idle"
esc = "interrupted"
fail = [
  { state = "limited", until = "/resets", when = { "/why" = "quota" } },
  { state = "error", error = "auth", when = { "/status" = 401 }, note = "/text" },
  { state = "error", error = "other" },
]
[tools]
Shell = "run"
Write = "edit"
`

var droidCommand = []string{"droid", "--session", "{session}", "{prompt}"}

// described reads a description, which must be right.
func described(t testing.TB, text string) *event.Recipe {
	t.Helper()
	table := map[string]any{}
	if err := toml.Unmarshal([]byte(text), &table); err != nil {
		t.Fatal(err)
	}
	r, wrong := recipe.Decode(table)
	for _, p := range wrong {
		t.Errorf("%s %s (%s)", p.Key(), p.What, p.Hint)
	}
	return &r
}

func newDroid(t testing.TB, r *event.Recipe) agent.Launch {
	t.Helper()
	l := agenttest.NewLaunch(t, generic.Kind)
	files.Script(t, agenttest.Root(l), "droid", "true")
	l.Spec.Command, l.Spec.Recipe, l.Spec.Env = droidCommand, r, map[string]string{"DROID_DIR": "{gen_dir}/droid"}
	l.Env = append(l.Env, "DROID_DIR={gen_dir}/droid")
	l.Conversation, l.Preamble = "0cb916db-26aa-40f2-86b5-1ba81b225fd2", "You work unattended.\n"
	return l
}

const (
	working = event.RecordWorking
	waiting = event.RecordWaiting
	idle    = event.RecordIdle
	failed  = event.RecordError
)

// payload returns a payload of the agent with its conversation, and further fields.
func payload(more string) string {
	return `{"sid":"0cb916db-26aa-40f2-86b5-1ba81b225fd2"` + more + `}`
}

func droidSubject(t testing.TB) agenttest.Subject {
	r := described(t, droid)
	a := generic.New(r)
	scene := func(name string, want []event.RecordState, calls ...agenttest.Call) agenttest.Scene {
		return agenttest.Scene{Name: name, Calls: calls, Want: want}
	}
	call := func(word, more string) agenttest.Call { return agenttest.Call{Event: word, Payload: payload(more)} }
	shell := `,"tool":{"name":"Shell","input":{"cmd":"go test ./..."}}`
	return agenttest.Subject{
		Adapter: a,
		Launch: func(t *testing.T) agent.Launch {
			t.Helper()
			return newDroid(t, r)
		},
		Scenes: []agenttest.Scene{
			scene("a turn", []event.RecordState{working, working, working, working, idle},
				call("start", ""), call("prompt", `,"text":"do it"`), call("tool", shell), call("ended", shell), call("stop", "")),
			scene("a word that is not described", []event.RecordState{working}, call("other", "")),
			scene("a word whose conditions do not hold", nil, call("notice", `,"kind":"greeting"`)),
			scene("a dialog", []event.RecordState{waiting}, call("notice", `,"kind":"dialog"`)),
			scene("a permission", []event.RecordState{waiting}, call("ask", shell)),
			scene("errors", []event.RecordState{event.RecordLimited, failed, failed, failed},
				call("fail", `,"why":"quota","resets":1795747540`), call("fail", `,"why":"quota","resets":"soon"`), call("fail", `,"status":401,"text":"bad key"`), call("fail", "")),
			scene("an interrupt", []event.RecordState{idle}, call("esc", "")),
		},
		Book: &agenttest.Book{
			Open: func(t *testing.T, l agent.Launch) {
				t.Helper()
				write(t, a, l)
			},
			Take: func(t *testing.T, l agent.Launch, prompt string) {
				t.Helper()
				write(t, a, l)
				text, _ := json.Marshal(prompt)
				hook(t, a, l, "prompt", payload(`,"text":`+string(text)))
			},
		},
	}
}

// write writes the files of a launch as a start does.
func write(t *testing.T, a agent.Adapter, l agent.Launch) {
	t.Helper()
	if err := l.Home.Create(); err != nil {
		t.Fatal(err)
	}
	if err := l.Box().Create(); err != nil {
		t.Fatal(err)
	}
	for _, f := range agenttest.Plan(t, a, l).Files {
		path := filepath.Join(l.Dirs().RO(), f.Path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, f.Mode); err != nil {
			t.Fatal(err)
		}
	}
}

// hook calls a hook of a launch and returns what it says to the agent.
func hook(t *testing.T, a agent.Adapter, l agent.Launch, word, payload string) string {
	t.Helper()
	env := map[string]string{
		"MUSTER_HOME": string(l.Home), "MUSTER_TASK": string(l.Task), "MUSTER_GEN": "1",
		"MUSTER_STATUS_FILE": l.Home.StatusFile(l.Task, l.Gen), "MUSTER_WORKTREE": l.Worktree,
	}
	var out strings.Builder
	if code := a.Hook(t.Context(), agent.HookCall{
		Event: word, Stdin: strings.NewReader(payload), Stdout: &out, Getenv: func(name string) string { return env[name] }, PPID: os.Getpid(),
	}); code != 0 {
		t.Errorf("the hook %s returns %d", word, code)
	}
	return out.String()
}

func TestDescribedAgentConforms(t *testing.T) {
	t.Parallel()
	agenttest.Run(t, droidSubject(t))
}

func FuzzDescribedHook(f *testing.F) { agenttest.FuzzHook(f, droidSubject(f)) }

func TestDescribedAgentGetsItsPlaceholders(t *testing.T) {
	t.Parallel()
	l := newDroid(t, described(t, droid))
	l.Exe, l.Spec.Args = "/a b/muster", []string{"--fast"}
	p := agenttest.Plan(t, generic.New(l.Spec.Recipe), l)
	want := "Task t3 (muster):\n\nYou work unattended.\n\n\ndo it"
	if len(p.Argv) != 5 || p.Argv[1] != "--fast" || p.Argv[3] != l.Conversation || p.Argv[4] != want {
		t.Errorf("argv %q", p.Argv)
	}
	all := strings.Join(p.Env, "\n")
	if dir := "DROID_DIR=" + filepath.Join(l.Dirs().RO(), "droid"); !strings.Contains(all, dir) {
		t.Errorf("env %q, want %s", all, dir)
	}
	for _, f := range p.Files {
		if f.Path != "droid/hooks.json" {
			continue
		}
		var hooks map[string]string
		if err := json.Unmarshal(f.Data, &hooks); err != nil || hooks["prompt"] != "'/a b/muster' hook generic prompt" {
			t.Errorf("%s: %v", f.Data, err)
		}
		return
	}
	t.Error("the file is missing")
}

func TestAgentWithoutADescriptionIsRefused(t *testing.T) {
	t.Parallel()
	l := newDroid(t, nil)
	err := generic.New(nil).Check(t.Context(), agent.Preflight{Spec: l.Spec, Env: l.Env, Home: l.Home})
	if err == nil || !strings.Contains(err.Error(), "nothing describes it") {
		t.Errorf("got %v", err)
	}
}

func TestStashIsRefusedWithTheAnswerOfTheDescription(t *testing.T) {
	t.Parallel()
	l := newDroid(t, described(t, droid))
	a := generic.New(l.Spec.Recipe)
	write(t, a, l)
	said := hook(t, a, l, "tool", payload(`,"tool":{"name":"Shell","input":{"cmd":"git stash"}}`))
	if !strings.HasPrefix(said, `{"no":"Not run: `) || !json.Valid([]byte(said)) {
		t.Errorf("the agent was told %q", said)
	}
}

func TestAnotherConversationIsEvidenceOnly(t *testing.T) {
	t.Parallel()
	l := newDroid(t, described(t, droid))
	a := generic.New(l.Spec.Recipe)
	write(t, a, l)
	hook(t, a, l, "stop", `{"sid":"another"}`)
	hook(t, a, l, "stop", `{}`)
	hook(t, a, l, "prompt", `{"sid":"another","text":"[muster m1]\nhello"}`)
	if said := hook(t, a, l, "ask", `{"sid":"another","tool":{"name":"Shell","input":{"cmd":"ls"}}}`); said != "" {
		t.Errorf("a request of another conversation was answered by %q", said)
	}
	b, err := os.ReadFile(l.Home.StatusFile(l.Task, l.Gen))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), l.Conversation) || strings.Count(string(b), `"session_id"`) != 3 {
		t.Errorf("the records are\n%s", b)
	}
	if d, err := a.Delivered(l, "m1"); err != nil || d != agent.DeliveryAbsent {
		t.Errorf("m1 is %s (%v)", d, err)
	}
}

func TestReportedSessionIsTheFirstAndIsResumed(t *testing.T) {
	t.Parallel()
	r := described(t, strings.Replace(droid, `"pinned"`, `"reported"`, 1))
	a := generic.New(r)
	l := newDroid(t, r)
	l.Spec.Command = []string{"droid", "{prompt}"}
	write(t, a, l)
	if a.Resumable(l) {
		t.Error("a conversation that was never begun is resumable")
	}
	hook(t, a, l, "prompt", `{"sid":"s-77","text":"do it"}`)
	hook(t, a, l, "stop", `{"sid":"s-78"}`)
	hook(t, a, l, "stop", `{"sid":"`+l.Conversation+`"}`)
	b, _ := os.ReadFile(l.Home.StatusFile(l.Task, l.Gen))
	if strings.Count(string(b), l.Conversation) != 1 {
		t.Errorf("the records are\n%s", b)
	}
	if !a.Resumable(l) {
		t.Fatal("the conversation is not resumable")
	}
	l.Gen, l.Resume, l.GoOn = 2, true, "go on"
	if p := agenttest.Plan(t, a, l); p.Argv[2] != "s-77" {
		t.Errorf("argv %q", p.Argv)
	}
}
