package opencode

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/agent"
	"muster/internal/agent/agenttest"
	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/mail"
)

func TestPlanOfAFirstLaunch(t *testing.T) {
	t.Parallel()
	l := newLaunch(t)
	l.Spec.Model, l.Spec.Args = "local/m", []string{"--agent", "build"}
	p := agenttest.Plan(t, New(), l)
	want := []string{
		filepath.Join(agenttest.Root(l), "opencode"), "--model", "local/m", "--agent", "build", "--prompt", "Task t3 (muster):\n\ndo it",
	}
	if diff := cmp.Diff(want, p.Argv); diff != "" {
		t.Errorf("argv (-want +got):\n%s", diff)
	}
	content, _ := environ.Lookup(p.Env, contentVariable)
	var c layer
	if err := json.Unmarshal([]byte(content), &c); err != nil || len(c.Plugin) != 1 || c.AutoUpdate || c.Share != "disabled" {
		t.Errorf("the configuration is %q (%v)", content, err)
	}
}

// TestPlan_KeepsTheUsersLayer: muster's layer moves to the other variable where the user has set one.
func TestPlan_KeepsTheUsersLayer(t *testing.T) {
	t.Parallel()
	l := newLaunch(t)
	l.Env = append(l.Env, contentVariable+`={"model":"a/b"}`)
	p := agenttest.Plan(t, New(), l)
	if _, ok := environ.Lookup(p.Env, contentVariable); ok {
		t.Errorf("the user's layer is replaced: %v", p.Env)
	}
	if file, _ := environ.Lookup(p.Env, fileVariable); file != filepath.Join(l.Dirs().RO(), configName) {
		t.Errorf("muster's layer is %q", file)
	}
}

func TestPlan_MovesAllDirectoriesOfAFencedAgent(t *testing.T) {
	t.Parallel()
	l := newLaunch(t)
	l.Spec.Fence = &event.Fence{}
	l.Env = append(l.Env, configHome+"=/the/users", stateHome+"=/the/users")
	env := environ.Overlay(l.Env, agenttest.Plan(t, New(), l).Env...)
	for _, name := range []string{configHome, stateHome} {
		if dir := environ.Get(env, name); !strings.HasPrefix(dir, l.Home.PrivateHome(l.Task)+"/") {
			t.Errorf("%s is %q, outside the task's own directory", name, dir)
		}
	}
}

func TestCheckRefusesWhatWouldNotWork(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*agent.Preflight)
		want   string
	}{
		"an old version":   {func(p *agent.Preflight) { p.Spec.Command = []string{"old"} }, "too old"},
		"another program":  {func(p *agent.Preflight) { p.Spec.Command = []string{"other"} }, "is not OpenCode"},
		"no program":       {func(p *agent.Preflight) { p.Spec.Command = []string{"missing"} }, "no program"},
		"a port":           {func(p *agent.Preflight) { p.Spec.Args = []string{"--port=4096"} }, "--port"},
		"a command":        {func(p *agent.Preflight) { p.Spec.Args = []string{"serve"} }, "serve"},
		"no plugins":       {func(p *agent.Preflight) { p.Env = append(p.Env, "OPENCODE_PURE=1") }, "OPENCODE_PURE"},
		"two layers":       {func(p *agent.Preflight) { p.Env = append(p.Env, contentVariable+"={}", fileVariable+"=/x") }, fileVariable},
		"a broken layer":   {func(p *agent.Preflight) { p.Env = append(p.Env, contentVariable+"={") }, contentVariable},
		"no login":         {func(p *agent.Preflight) { p.Env = slices.DeleteFunc(p.Env, isKey) }, "no login"},
		"a model's name":   {func(p *agent.Preflight) { p.Spec.Model = "gpt" }, "PROVIDER/MODEL"},
		"fenced, no model": {func(p *agent.Preflight) { p.Spec.Fence = &event.Fence{} }, "no model names it"},
		"fenced, with login": {func(p *agent.Preflight) {
			p.Spec.Fence, p.Spec.Model = &event.Fence{}, "sub/m"
			p.Env = slices.DeleteFunc(p.Env, isKey)
		}, "renewed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLaunch(t)
			root := agenttest.Root(l)
			script(t, root, "old", "echo 1.17.0")
			script(t, root, "other", "echo other 1")
			writeFile(t, filepath.Join(root, ".local/share/opencode/auth.json"), `{"sub":{"type":"oauth","refresh":"r"}}`)
			if name == "no login" {
				_ = os.Remove(filepath.Join(root, ".local/share/opencode/auth.json"))
			}
			p := agent.Preflight{Spec: l.Spec, Env: l.Env, Home: l.Home}
			c.change(&p)
			err := New().Check(t.Context(), p)
			if err == nil || !strings.Contains(err.Error(), c.want) || fault.HintOf(err) == "" {
				t.Errorf("%v (%q), want an error with %q and a hint", err, fault.HintOf(err), c.want)
			}
		})
	}
}

func isKey(kv string) bool { return strings.HasPrefix(kv, "OPENAI_API_KEY=") }

func script(t *testing.T, dir, name, body string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+body+"\n"), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestSeed_TakesOneProvider: a fenced agent gets no other login, no other provider's settings, and no programs.
func TestSeed_TakesOneProvider(t *testing.T) {
	t.Parallel()
	l := newLaunch(t)
	root := agenttest.Root(l)
	l.Spec.Model = "local/m"
	writeFile(t, filepath.Join(root, ".local/share/opencode/auth.json"), `{"local":{"type":"api","key":"mine"},"other":{"type":"api","key":"secret"}}`)
	writeFile(t, filepath.Join(root, ".config/opencode/opencode.jsonc"), `{
		// the models
		"provider": {"local": {"options": {"baseURL": "http://127.0.0.1/v1"}}, "other": {"options": {"apiKey": "secret"}},},
		"mcp": {"x": {"environment": {"TOKEN": "secret"}}}, /* more */ "plugin": ["secret"], "theme": "a//b",
	}`)
	writeFile(t, filepath.Join(root, ".config/opencode/agent/review.md"), "review")
	files, err := adapter{}.Seed(l, l.Env)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range files {
		if !slices.ContainsFunc(installed("config/opencode"), func(i agent.File) bool { return i.Path == f.Path }) {
			got[f.Path] = string(f.Data)
		}
		if strings.Contains(string(f.Data), "secret") {
			t.Errorf("%s has what the agent does not need: %s", f.Path, f.Data)
		}
	}
	want := map[string]string{
		"opencode/auth.json":              `{"local":{"type":"api","key":"mine"}}`,
		"config/opencode/opencode.jsonc":  `{"provider":{"local":{"options":{"baseURL":"http://127.0.0.1/v1"}}},"theme":"a//b"}`,
		"config/opencode/agent/review.md": "review",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	writeFile(t, filepath.Join(root, ".local/share/opencode/auth.json"), `{"local":{"type":"oauth","refresh":"r"}}`)
	if files, err = (adapter{}).Seed(l, l.Env); err != nil || slices.ContainsFunc(files, func(f agent.File) bool { return f.Path == "opencode/auth.json" }) {
		t.Errorf("a login that is renewed was copied (%v)", err)
	}
}

// TestTurnError: the errors are those that version 1.18.33 reported for answers of the test's model.
func TestTurnError(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 27, 1, 0, 0, 0, time.UTC)
	for payload, want := range map[string]event.Record{
		`{"name":"APIError","data":{"message":"scripted invalid_api_key","statusCode":401}}`:                                            {State: event.RecordError, Error: event.ErrorAuth},
		`{"name":"ProviderAuthError","data":{"message":"no key"}}`:                                                                      {State: event.RecordError, Error: event.ErrorAuth},
		`{"name":"APIError","data":{"message":"x","statusCode":400}}`:                                                                   {State: event.RecordError, Error: event.ErrorInvalidRequest},
		`{"name":"APIError","data":{"message":"x","statusCode":529}}`:                                                                   {State: event.RecordError, Error: event.ErrorOverloaded},
		`{"name":"APIError","data":{"message":"Too Many Requests","statusCode":429}}`:                                                   {State: event.RecordError, Error: event.ErrorRateLimit},
		`{"name":"APIError","data":{"message":"x","statusCode":429,"responseHeaders":{"Retry-After":"60"}}}`:                            {State: event.RecordLimited, UntilFrom: event.SourceRetryNext, Until: now.Add(time.Minute + agent.LimitMargin)},
		`{"name":"APIError","data":{"message":"x","statusCode":429,"responseBody":"{\"error\":{\"type\":\"insufficient_quota\"}}"}}`:    {State: event.RecordError, Error: event.ErrorBilling},
		`{"name":"ContextOverflowError","data":{"message":"too long"}}`:                                                                 {State: event.RecordError, Error: event.ErrorContextFull},
		`{"name":"APIError","data":{"message":"Unable to connect. Is the computer able to access the url?","isRetryable":true}}`:        {State: event.RecordError, Error: event.ErrorNetwork},
		`{"name":"UnknownError","data":{"message":"?"}}`:                                                                                {State: event.RecordError, Error: event.ErrorOther},
		`{"name":"APIError","data":{"message":"x","statusCode":429,"responseHeaders":{"retry-after":"Fri, 27 Nov 2026 02:00:00 GMT"}}}`: {State: event.RecordLimited, UntilFrom: event.SourceRetryNext, Until: now.Add(time.Hour + agent.LimitMargin)},
		`{"name":"APIError","data":{"message":"x","statusCode":429,"responseHeaders":{"retry-after":"soon"}}}`:                          {State: event.RecordError, Error: event.ErrorRateLimit},
	} {
		var e apiError
		if err := json.Unmarshal([]byte(payload), &e); err != nil {
			t.Fatal(err)
		}
		got := turnError(e, now)
		got.Note = ""
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", payload, diff)
		}
	}
}

// TestUsage_IsTheSumOverAllGenerations: each answer counts once, and those of another conversation count for nothing.
func TestUsage_IsTheSumOverAllGenerations(t *testing.T) {
	t.Parallel()
	l := newLaunch(t)
	answer := func(id string) map[string]any {
		return map[string]any{"type": "assistant", "id": id, "model": "house/m1", "cost": 0.5, "tokens": map[string]any{
			"input": 100, "output": 7, "reasoning": 3, "cache": map[string]any{"read": 40, "write": 2},
		}}
	}
	appendJournal(t, l, map[string]any{"type": "user", "text": "do it"})
	appendJournal(t, l, answer("msg_1"))
	l.Gen = 2
	line, err := json.Marshal(answer("msg_2"))
	if err != nil {
		t.Fatal(err)
	}
	appendJournal(t, l, map[string]any{"type": "user", "text": "go on"})
	parse := New().Sources(l, 0)[0].Parse
	for range 2 {
		recs, err := parse(line)
		if err != nil || len(recs) != 1 {
			t.Fatalf("%v, %v", recs, err)
		}
		want := event.Usage{InputTokens: 200, OutputTokens: 20, CacheReadTokens: 80, CacheWriteTokens: 4, CostUSD: 1, Turns: 2, Model: "house/m1"}
		if diff := cmp.Diff(&want, recs[0].Usage); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// TestConversation_IsTheTasksOwn: a record of a nested run, or of a session that a person opened, bears another id.
func TestConversation_IsTheTasksOwn(t *testing.T) {
	t.Parallel()
	l := newLaunch(t)
	for _, f := range agenttest.Plan(t, New(), l).Files {
		writeFile(t, filepath.Join(l.Dirs().RO(), f.Path), string(f.Data))
	}
	writeFile(t, filepath.Join(l.Dirs().RW(), sessionName), testSession)
	for session, want := range map[string]string{testSession: l.Conversation, "ses_other": "ses_other", "": ""} {
		s := hookState{Hooked: agent.Hooked{Files: l.Dirs()}, in: payload{Session: session}}
		if got := s.conversation(); got != want {
			t.Errorf("session %q is conversation %q, want %q", session, got, want)
		}
	}
}

// TestPlan_HandsAResumedConversationItsMessagesOneByOne: the plugin leaves out those that the conversation has already.
func TestPlan_HandsAResumedConversationItsMessagesOneByOne(t *testing.T) {
	t.Parallel()
	l := newLaunch(t)
	appendJournal(t, l, map[string]any{"type": "user", "text": "do it"})
	l.Gen, l.Resume, l.GoOn = 2, true, "go on"
	l.Messages = []mail.Message{{ID: "m1", Text: "one"}, {ID: "m2", Text: "two"}}
	parts := func() []string {
		var f launchFile
		for _, file := range agenttest.Plan(t, New(), l).Files {
			if file.Path == launchName {
				if err := json.Unmarshal(file.Data, &f); err != nil {
					t.Fatal(err)
				}
			}
		}
		return f.Parts
	}
	want := []string{"Task t3 (muster), taken up again:\n\ngo on", "[muster m1]\none", "[muster m2]\ntwo"}
	if diff := cmp.Diff(want, parts()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	l.Messages[0].Text = strings.Repeat("long ", 40<<10)
	if got := parts(); len(got) != 1 || !strings.Contains(got[0], agent.PromptPath(l)) || len(agent.Tags(got[0])) != 2 {
		t.Errorf("a long prompt has the parts %.300q", got)
	}
}

// TestPermission_ReadsWhatMusterTold: the prompt and the logs of checks lie outside the worktree, and reading them needs no
// decision. Anything else outside does.
func TestPermission_ReadsWhatMusterTold(t *testing.T) {
	t.Parallel()
	l := newLaunch(t)
	logs := l.Home.TaskJobsDir(l.Task)
	writeFile(t, filepath.Join(logs, "j1", "test.log"), "log")
	writeFile(t, filepath.Join(logs, "j1", "key"), "key")
	if err := os.Symlink("/etc/passwd", filepath.Join(logs, "j1", "link.log")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		tool, path string
		want       bool
	}{
		{"read", agent.PromptPath(l), true},
		{"edit", agent.PromptPath(l), false},
		{"read", filepath.Join(logs, "j1", "test.log"), true},
		{"", filepath.Join(logs, "j1", "test.log"), false},
		{"read", filepath.Join(logs, "j1", "key"), false},
		{"read", filepath.Join(logs, "j1", "link.log"), false},
		{"read", logs + "/../../x.log", false},
		{"read", "/etc/passwd", false},
	} {
		metadata, err := json.Marshal(map[string]string{"filepath": c.path})
		if err != nil {
			t.Fatal(err)
		}
		s := hookState{Hooked: agent.Hooked{Home: l.Home, Task: l.Task, Files: l.Dirs()}, in: payload{Permission: "external_directory", Tool: c.tool, Metadata: metadata}}
		if got := s.harmless(); got != c.want {
			t.Errorf("%s of %s needs no decision: %v, want %v", c.tool, c.path, got, c.want)
		}
	}
}

// TestUse_DescribesRequests: the inputs are those of requests of version 1.18.33.
func TestUse_DescribesRequests(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		tool, input string
		want        event.ToolUse
	}{
		{"bash", `{"metadata":{"command":"touch zz1"},"patterns":["touch zz1"]}`, event.ToolUse{Class: event.ToolRun, Command: "touch zz1"}},
		{"edit", `{"metadata":{"diff":"","filepath":"/w/a.go"},"patterns":["a.go"]}`, event.ToolUse{Class: event.ToolEdit, Paths: []string{"a.go"}}},
		{"read", `{"metadata":{},"patterns":["a.go"]}`, event.ToolUse{Class: event.ToolRead, Paths: []string{"a.go"}}},
		{"grep", `{"metadata":{"pattern":"x","path":"sub"},"patterns":["x"]}`, event.ToolUse{Class: event.ToolRead, Paths: []string{"sub"}}},
		{"glob", `{"metadata":{"pattern":"*.go"},"patterns":["*.go"]}`, event.ToolUse{Class: event.ToolRead, Paths: []string{"."}}},
		{"webfetch", `{"patterns":["https://x"]}`, event.ToolUse{Class: event.ToolFetch}},
		{"external_directory", `{"metadata":{"filepath":"/etc/passwd"},"patterns":["/etc/*"]}`, event.ToolUse{Class: event.ToolOther}},
		{"server_tool", `{`, event.ToolUse{Class: event.ToolOther}},
	} {
		if diff := cmp.Diff(c.want, (adapter{}).Use(c.tool, []byte(c.input))); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", c.tool, c.input, diff)
		}
	}
}
