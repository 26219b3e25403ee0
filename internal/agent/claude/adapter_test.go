package claude

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/agent"
	"muster/internal/agent/agenttest"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/mail"
	"muster/internal/testkit/files"
)

func TestErrorsThatEndATurn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind, text, details string
		want                event.ErrorKind
	}{
		{"rate_limit", "API Error: Request rejected (429) · x", "", event.ErrorRateLimit},
		{"server_error", "API Error: 500 internal", "", event.ErrorOverloaded},
		{"server_error", "API Error: 529 Overloaded", "", event.ErrorOverloaded},
		{"server_error", "Unable to connect to API (ECONNRESET)", "", event.ErrorNetwork},
		{"server_error", "Request timed out", "", event.ErrorNetwork},
		{"authentication_failed", "Invalid API key · Fix external API key", "", event.ErrorAuth},
		{"unknown", "Not logged in · Please run /login", "", event.ErrorAuth},
		{"oauth_org_not_allowed", "", "", event.ErrorAuth},
		{"billing_error", "Credit balance is too low", "", event.ErrorBilling},
		{"invalid_request", "Prompt is too long", "", event.ErrorContextFull},
		{"invalid_request", "API Error: 400", `{"message":"prompt is too long: 200000 tokens"}`, event.ErrorContextFull},
		{"invalid_request", "API Error: 400 x", "", event.ErrorInvalidRequest},
		{"model_not_found", "", "", event.ErrorInvalidRequest},
		{"unknown", "API Error: 400 scripted", "", event.ErrorInvalidRequest},
		{"unknown", "Failed to parse JSON", "", event.ErrorOther},
		{"max_output_tokens", "", "", event.ErrorOther},
		{"", "", "", event.ErrorOther},
	} {
		got := turnError(c.kind, c.text, c.details, time.Now())
		if got.State != event.RecordError || got.Error != c.want {
			t.Errorf("%s %q %q: %s %s, want %s", c.kind, c.text, c.details, got.State, got.Error, c.want)
		}
	}
}

func TestTheEndOfAUsageLimit(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	at := func(month time.Month, day, hour, minute int) time.Time {
		return time.Date(2026, month, day, hour, minute+1, 0, 0, time.UTC) // a minute of margin
	}
	for _, c := range []struct {
		text string
		now  time.Time
		want time.Time
	}{
		{"You've hit your session limit · resets 1:25pm (UTC)", now, at(11, 24, 13, 25)},
		{"You've hit your session limit · resets 3am (UTC)", now, at(11, 25, 3, 0)},
		{"You've hit your session limit · resets 11:55am (UTC)", now, at(11, 24, 11, 55)}, // just over, not tomorrow
		{"You've hit your session limit · resets 12am (UTC)", now, at(11, 25, 0, 0)},
		{"You've hit your session limit · resets 12pm (UTC)", now, at(11, 24, 12, 0)},
		{"You've hit your weekly limit · resets Nov 24, 6:59pm (UTC)", now, at(11, 24, 18, 59)},
		{"You've hit your weekly limit · resets Nov 30 at 9am (Europe/Berlin)", now, at(11, 30, 8, 0)},
		{"You've hit your usage limit · resets 14:05 (America/New_York)", now, at(11, 24, 19, 5)},
		{"You've hit your weekly limit · resets Jan 2, 1am (UTC)", now, time.Date(2027, 1, 2, 1, 1, 0, 0, time.UTC)},
		{"You've hit your weekly limit · resets Nov 24, 11am (UTC)", now, at(11, 24, 11, 0)},
		{"You've reached your Fable 5 limit · resets 3pm (UTC)", now, at(11, 24, 15, 0)},
		{"You're out of extra usage · resets 4pm (Asia/Kolkata)", now, at(11, 25, 10, 30)},
		{"You've hit your session limit · resets 2:30pm", now.In(time.FixedZone("x", 3600)), at(11, 24, 13, 30)},
	} {
		got := turnError("rate_limit", c.text, "", c.now)
		if got.State != event.RecordLimited || !got.Until.Equal(c.want) {
			t.Errorf("%q: %s until %s, want %s", c.text, got.State, got.Until, c.want)
		}
	}
	for _, text := range []string{
		"You've hit your limit", "You've hit your session limit · resets 25:00 (UTC)", "You've hit your limit · resets 13pm (UTC)",
		"You've hit your limit · resets Foo 3, 1pm (UTC)", "You've hit your limit · resets 1pm (Nowhere/Land)", "resets 1pm (UTC)",
	} {
		if got := turnError("rate_limit", text, "", now); got.State != event.RecordError || got.Error != event.ErrorRateLimit {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

// TestTheEndOfAUsageLimit_ThatOnlyMoneyEnds has the wordings of limits that name no end: a rest of a minute would be
// followed by the same words all night.
func TestTheEndOfAUsageLimit_ThatOnlyMoneyEnds(t *testing.T) {
	t.Parallel()
	for _, said := range []string{
		"You're out of usage credits", "You're out of extra usage · /extra-usage to add more", "Your org is out of usage",
		"Your group's usage limit is set to $0", "Your usage allocation has been disabled by your admin",
		"Your seat type doesn't include Claude Code", "Fable 5 requires usage credits",
	} {
		for _, kind := range []string{"rate_limit", "unknown"} {
			if got := turnError(kind, said, "", time.Now()); got.State != event.RecordError || got.Error != event.ErrorBilling {
				t.Errorf("%s %q: %s %s, want a fault of billing", kind, said, got.State, got.Error)
			}
		}
	}
}

func TestTheTranscriptCountsEachMessageOnceAndProvesDelivery(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "c.jsonl")
	usage := func(id string, in int) string {
		return fmt.Sprintf(`{"type":"assistant","timestamp":"2026-11-24T06:00:00Z","message":{"id":%q,"model":"claude-sonnet-5-20260701","usage":{"input_tokens":%d,"output_tokens":1,`+
			`"cache_creation_input_tokens":30,"cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20}}}}`, id, in)
	}
	lines := []string{
		`{"type":"user","message":{"content":"Task t1\n\n[muster m1]"}}`,
		usage("a", 10), usage("a", 10),
		`{"type":"user","message":{"content":[{"type":"tool_result","content":"quoted [muster m2]"}]}}`,
		`{"type":"queue-operation","operation":"enqueue","content":"[muster m3] x"}`,
		`{"type":"attachment","attachment":{"type":"queued_command","prompt":"[muster m4] x"}}`,
		`{"type":"attachment","attachment":{"type":"queued_command","prompt":[{"type":"text","text":"[muster m5] x"}]}}`,
		usage("b", 5),
		`{"type":"assistant","isApiErrorMessage":true,"error":"invalid_request","message":{"id":"e","content":[{"type":"text","text":"Prompt is too long"}],"usage":{}}}`,
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	sub := filepath.Join(dir, "c", "subagents")
	if err := os.MkdirAll(sub, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(sub, "agent-1.jsonl"), []byte(usage("s", 100)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := newTranscript(agent.Launch{Conversation: "conv"}, path, time.Time{})
	var messages []event.MessageID
	var last *event.Usage
	var state event.RecordState
	for _, l := range append(lines[3:], lines[1]) { // a supervisor that comes back begins in the middle, and may see lines again
		recs, err := p.parse([]byte(l))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range recs {
			if r.SessionID != "conv" {
				t.Errorf("record of %q", r.SessionID)
			}
			if r.Message != "" {
				messages = append(messages, r.Message)
			}
			if r.Usage != nil {
				last = r.Usage
			}
			if r.State != "" {
				state = r.State
			}
		}
	}
	if diff := cmp.Diff([]event.MessageID{"m4", "m5"}, messages); diff != "" {
		t.Errorf("acknowledged (-want +got):\n%s", diff)
	}
	if want := (event.Usage{
		InputTokens: 115, OutputTokens: 3, CacheWriteTokens: 90, CacheWrite1hTokens: 60, Turns: 3,
		Model: "claude-sonnet-5-20260701", CostUSD: (115*2 + 3*10 + 30*2.5 + 60*4) / 1e6,
	}); last == nil || *last != want {
		t.Errorf("usage %+v, want %+v", last, want)
	}
	if state != event.RecordError {
		t.Errorf("the full context was not told: %q", state)
	}
	later := newTranscript(agent.Launch{Conversation: "conv"}, path, time.Now())
	if recs, err := later.parse([]byte(lines[len(lines)-1])); err != nil || len(recs) != 0 {
		t.Errorf("the error of an earlier generation was told: %+v (%v)", recs, err)
	}
	if _, err := p.parse([]byte("{torn")); err == nil {
		t.Error("a broken line was taken")
	}
}

func TestIdleBeforeTheFirstPromptEndsNoTurn(t *testing.T) {
	t.Parallel()
	hooks := filepath.Join(t.TempDir(), "hooks.jsonl")
	line := func(status string, since int) []byte {
		return fmt.Appendf(nil, `{"pid":7,"sessionId":"c","status":%q,"waitingFor":"permission prompt","statusUpdatedAt":%d}`, status, since)
	}
	p := &sessionParser{pid: 7, hooks: hooks, alias: "c=pinned"}
	var got []string
	feed := func(b []byte) {
		t.Helper()
		recs, err := p.parse(b)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range recs {
			if r.SessionID != "pinned" {
				t.Errorf("session %q", r.SessionID)
			}
			got = append(got, fmt.Sprintf("%s %s %t %d", r.State, r.Reason, r.Background, r.Time.UnixMilli()))
		}
	}
	feed(nil)
	feed(line("idle", 1))
	feed(line("busy", 2))
	feed(line("busy", 2))
	feed(line("waiting", 3))
	feed(line("shell", 4))
	feed(line("idle", 5))
	feed([]byte(`{"pid":8,"status":"busy"}`))
	want := []string{"working  false 2", "waiting permission false 3", "working  true 4", "idle  false 5"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}

	// A supervisor that comes back learns from the hooks' file that a turn was begun.
	if err := os.WriteFile(hooks, []byte(`{"v":1,"src":"hook","state":"working","prompted":true}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p = &sessionParser{pid: 7, hooks: hooks}
	if recs, err := p.parse(line("idle", 9)); err != nil || len(recs) != 1 {
		t.Errorf("after a restart: %v (%v)", recs, err)
	}
	// The level is there before the hook that will hold the request, and may be read after its answer.
	if recs, err := p.parse(line("waiting", 10)); err != nil || len(recs) != 0 {
		t.Errorf("a permission was told without its hook: %v (%v)", recs, err)
	}
	if recs, err := p.parse([]byte(`{"pid":7,"status":"busy","statusUpdatedAt":10}1}`)); err != nil || len(recs) != 0 {
		t.Errorf("a file in the middle of its rewriting was told: %v (%v)", recs, err)
	}
	if err := os.WriteFile(hooks, []byte(`{"v":1,"src":"hook","state":"waiting","reason":"question","request":"q1"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if recs, err := p.parse(line("waiting", 11)); err != nil || len(recs) != 0 {
		t.Errorf("a dialog that a hook holds was told again: %v (%v)", recs, err)
	}
	dialog := []byte(`{"pid":7,"status":"waiting","waitingFor":"dialog open","statusUpdatedAt":12}`)
	if recs, err := p.parse(dialog); err != nil || len(recs) != 1 || recs[0].Reason != event.WaitDialog {
		t.Errorf("a dialog that no hook knows: %v (%v)", recs, err)
	}
	if err := os.WriteFile(hooks, []byte(`{"v":1,"src":"hook","state":"limited","until":"2026-11-24T06:00:00Z"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if recs, err := (&sessionParser{pid: 7, hooks: hooks}).parse(dialog); err != nil || len(recs) != 0 {
		t.Errorf("the menu of a usage limit was told as a question: %v (%v)", recs, err)
	}
	if recs, err := p.parse(line("busy", 13)); err != nil || len(recs) != 0 {
		t.Errorf("a turn that met a usage limit was told to go on: %v (%v)", recs, err)
	}
	if _, err := p.parse([]byte(`{"pid":7,"status":"novel","statusUpdatedAt":11}`)); err == nil {
		t.Error("an unknown status was taken")
	}
}

// newLaunch returns a launch with a program to be found.
func newLaunch(t *testing.T) agent.Launch {
	t.Helper()
	l := agenttest.NewLaunch(t, "claude")
	files.Script(t, agenttest.Root(l), "claude", "echo '2.1.197 (Claude Code)'")
	l.Conversation, l.Preamble = "0f9a7c5e-52a5-4a8b-9d0e-6a6d2c1b3e4f", "preamble"
	return l
}

func TestPlanOfAFirstLaunch(t *testing.T) {
	t.Parallel()
	l := newLaunch(t)
	l.Spec.Model = "opus"
	l.Spec.Args = []string{"--append-system-prompt", "mine", "--add-dir", "/x"}
	p := agenttest.Plan(t, New(), l)
	want := []string{
		filepath.Join(filepath.Dir(l.Spec.Repo), "claude"), "--settings", filepath.Join(l.Dirs().RO(), "settings.json"),
		"--session-id", l.Conversation, "--append-system-prompt", "preamble\n\nmine", "--model", "opus",
		"--permission-mode", "acceptEdits", "--add-dir", "/x", "--", "Task t3 (muster):\n\ndo it",
	}
	if diff := cmp.Diff(want, p.Argv); diff != "" {
		t.Errorf("argv (-want +got):\n%s", diff)
	}
	for _, kv := range []string{"DISABLE_AUTOUPDATER=1", "CLAUDE_CODE_MAX_RETRIES=6"} {
		if !slices.Contains(p.Env, kv) {
			t.Errorf("%s is missing in %v", kv, p.Env)
		}
	}
	l.Env = append(l.Env, "CLAUDE_CODE_MAX_RETRIES=1")
	l.Spec.Args = []string{"--permission-mode", "plan"}
	p = agenttest.Plan(t, New(), l)
	if slices.Contains(p.Argv, "acceptEdits") || slices.ContainsFunc(p.Env, func(kv string) bool { return strings.HasPrefix(kv, "CLAUDE_CODE_MAX_RETRIES") }) {
		t.Errorf("a choice of the user was overridden: %v %v", p.Argv, p.Env)
	}
}

func TestPlanOfAResumeCarriesWhatDidNotArrive(t *testing.T) {
	t.Parallel()
	l := newLaunch(t)
	l.Resume, l.GoOn = true, "go on, [muster m1] was said"
	l.Messages = []mail.Message{{ID: "m1", Text: "said"}, {ID: "m2", Text: "new\x1b[31m\x00"}}
	p := agenttest.Plan(t, New(), l)
	prompt := p.Argv[len(p.Argv)-1]
	if want := "Task t3 (muster), taken up again:\n\ngo on, [muster m1] was said\n\n[muster m1]\nsaid\n\n[muster m2]\nnew"; prompt != want {
		t.Errorf("prompt %q, want %q", prompt, want)
	}
	if i := slices.Index(p.Argv, "--resume"); i < 0 || p.Argv[i+1] != l.Conversation || slices.Contains(p.Argv, "--session-id") {
		t.Errorf("argv %v", p.Argv)
	}
}

func TestALongPromptLiesInItsFileWithItsTags(t *testing.T) {
	t.Parallel()
	l := newLaunch(t)
	l.Prompt = strings.Repeat("x", 200<<10)
	l.Messages = []mail.Message{{ID: "m7", Text: "also"}}
	p := agenttest.Plan(t, New(), l)
	prompt := p.Argv[len(p.Argv)-1]
	if len(prompt) > 1000 || !strings.Contains(prompt, agent.PromptPath(l)) || !strings.Contains(prompt, "[muster m7]") {
		t.Errorf("prompt of %d bytes: %.300q", len(prompt), prompt)
	}
	i := slices.IndexFunc(p.Files, func(f agent.File) bool { return f.Path == "prompt.md" })
	if i < 0 || !strings.Contains(string(p.Files[i].Data), l.Prompt) || !strings.Contains(string(p.Files[i].Data), "[muster m7]\nalso") {
		t.Error("the file lacks prompt or message")
	}
}

func TestSettingsOfALaunch(t *testing.T) {
	t.Parallel()
	l := newLaunch(t)
	l.Spec.WaitLimit = time.Hour
	l.Spec.Checks = []event.Check{{Name: "test", Run: "go test ./..."}, {Name: "bad", Run: "a; rm -rf *"}, {Name: "pipe", Run: "a | b"}}
	servers := `{"mcpServers":{"good":{},"evil":{}}}`
	if err := os.WriteFile(filepath.Join(l.Worktree, ".mcp.json"), []byte(servers), 0o600); err != nil {
		t.Fatal(err)
	}
	user := map[string]any{"projects": map[string]any{agent.RealPath(l.Spec.Repo): map[string]any{"enabledMcpjsonServers": []string{"good"}}}}
	b, err := json.Marshal(user)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(userFile(l.Env), b, 0o600); err != nil {
		t.Fatal(err)
	}
	var s settingsFile
	raw := agenttest.Plan(t, New(), l).Files[0].Data
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(raw), `"disableAllHooks": false`) || !s.SkipDangerous {
		t.Errorf("settings %s", raw)
	}
	if diff := cmp.Diff([][]string{{"good"}, {"evil"}}, [][]string{s.EnabledServers, s.DisabledServers}); diff != "" {
		t.Errorf("servers (-want +got):\n%s", diff)
	}
	if got := s.Hooks["PermissionRequest"][0].Hooks[0].Timeout; got < 3600+30 {
		t.Errorf("a permission hook may live %d s", got)
	}
	waiter := s.Hooks["Stop"][0].Hooks[1]
	if !waiter.AsyncRewake || waiter.Command != l.Exe || strings.Join(waiter.Args, " ") != "hook claude wait" || waiter.Timeout != 86400 {
		t.Errorf("waiter %+v", waiter)
	}
	for rule, want := range map[string]bool{
		"Bash(muster check:*)": true, "Bash(muster done)": true, "Bash(go test ./...)": true, "Bash(a; rm -rf *)": false,
		"Bash(a | b)": false, "Read(/" + agent.PromptPath(l) + ")": true,
	} {
		if got := slices.Contains(s.Permissions.Allow, rule); got != want {
			t.Errorf("%s is allowed: %v, want %v", rule, got, want)
		}
	}
}

func TestArgumentsThatWouldBreakALaunchAreRefused(t *testing.T) {
	t.Parallel()
	for _, arg := range []string{"--settings", "--settings=/x", "--resume", "-p", "--bare", "--session-id=1", "--"} {
		l := newLaunch(t)
		l.Spec.Args = []string{arg}
		if _, err := New().Plan(l); !fault.Is(err, fault.Usage) || fault.HintOf(err) == "" {
			t.Errorf("%s: %v", arg, err)
		}
	}
}

func TestSlugs(t *testing.T) {
	t.Parallel()
	long := "/" + strings.Repeat("aé", 150)
	for _, c := range []struct{ dir, want string }{
		{"/tmp/x.y_z/A1", "-tmp-x-y-z-A1"},
		{"/ä/😀", "-----"},                                         // one unit for the letter, two for the face
		{long, "-" + strings.Repeat("a-", 150)[:199] + "-dgt9nj"}, // as the agent's own JavaScript reckons it
	} {
		if got := transcriptSlug(c.dir); got != c.want {
			t.Errorf("%s: %q, want %q", c.dir, got, c.want)
		}
	}
}

func TestSuccessorsOfAConversationAreUUIDs(t *testing.T) {
	t.Parallel()
	a := "0f9a7c5e-52a5-4a8b-9d0e-6a6d2c1b3e4f"
	if s := successor(a, 1); s == a || s != successor(a, 1) || s == successor(a, 2) || !agent.IsUUID(s) {
		t.Errorf("successor %s", s)
	}
}

func FuzzTranscript(f *testing.F) {
	f.Add(`{"type":"user","message":{"content":[{"type":"text","text":"[muster m1]"}]}}`)
	f.Add(`{"type":"assistant","message":{"id":"a","usage":{"input_tokens":-1}}}`)
	f.Fuzz(func(t *testing.T, line string) {
		recs, err := newTranscript(agent.Launch{Conversation: "c"}, filepath.Join(t.TempDir(), "none.jsonl"), time.Time{}).parse([]byte(line))
		if err != nil && len(recs) > 0 {
			t.Errorf("records %v with error %v", recs, err)
		}
	})
}

func TestInputOf_HintIsAnEmptyInput(t *testing.T) {
	t.Parallel()
	rule := "\x1b[38;5;244m" + strings.Repeat("─", 40) + "\x1b[39m"
	for input, want := range map[string]string{
		"": "",
		"\x1b[7mO\x1b[0;2m\x1b[39m\x1b[49mnce fixed, resend your message\x1b[0m\x1b[39m\x1b[49m": "", // as 2.1.332 shows it
		"\x1b[2mTry something\x1b[22m":                    "",
		"half a thought\x1b[7m \x1b[0m":                   "half a thought",
		"\x1b[38;5;2mgreen\x1b[39m words":                 "green words", // the 2 is a colour's
		"two\n  lines\x1b[7m \x1b[0m":                     "two\n  lines",
		"Resend your message to try again\x1b[7m \x1b[0m": "Resend your message to try again",
	} {
		if got := inputOf("● text\n" + rule + "\n\x1b[39m❯ " + input + "\n" + rule + "\n  accept edits on"); got != want {
			t.Errorf("the input %q is taken for %q, want %q", input, got, want)
		}
	}
}
