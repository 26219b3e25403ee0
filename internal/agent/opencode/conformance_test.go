package opencode

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"muster/internal/agent"
	"muster/internal/agent/agenttest"
	"muster/internal/event"
	"muster/internal/testkit/files"
)

const (
	working = event.RecordWorking
	waiting = event.RecordWaiting
	idle    = event.RecordIdle
)

// testSession is the agent's id of the conversation in journals of tests.
const testSession = "ses_de58b42d6ffe6PuDcj3K7aonCc"

// newLaunch returns a launch by a user who has a key.
func newLaunch(t *testing.T) agent.Launch {
	t.Helper()
	l := agenttest.NewLaunch(t, kind)
	files.Script(t, agenttest.Root(l), "opencode", "echo 1.18.33")
	l.Conversation, l.Preamble = "0f9a7c5e-52a5-4a8b-9d0e-6a6d2c1b3e4f", "preamble"
	l.Env = append(l.Env, "OPENAI_API_KEY=k")
	return l
}

// subject describes OpenCode to the conformance suite. The payloads are what plugin.js makes of the events of version
// 1.18.33.
func subject() agenttest.Subject {
	return agenttest.Subject{
		Adapter: New(),
		Launch:  newLaunch,
		Session: func(agent.Launch) string { return testSession },
		Scenes: []agenttest.Scene{
			{Name: "a turn", Calls: []agenttest.Call{
				{Event: eventPrompted, Payload: `{"session":"s1","message":"msg_1","text":"Task t3 (muster):\n\ndo it"}`},
				{Event: eventToolBegins, Payload: `{"session":"s1","tool":"bash","call":"c1","input":{"command":"ls","description":"d"},"child":false}`},
				{Event: eventToolEnded, Payload: `{"session":"s1","tool":"bash","call":"c1","input":{"command":"ls"},"child":false}`},
				{Event: eventIdle, Payload: `{"session":"s1"}`},
			}, Want: []event.RecordState{working, working, working, idle}},
			{Name: "a permission", Calls: []agenttest.Call{
				{Event: eventPermission, Payload: `{"session":"s1","id":"per_1","permission":"bash","patterns":["rm x"],"metadata":{"command":"rm x"},"always":["rm *"],"tool":{"messageID":"msg_1","callID":"c1"}}`},
				{Event: eventToolBegins, Payload: `{"session":"s1","tool":"read","call":"c2","input":{}}`},
				{Event: eventReplied, Payload: `{"session":"s1","id":"per_1"}`},
				{Event: eventToolFailed, Payload: `{"session":"s1","call":"c1"}`},
			}, Want: []event.RecordState{waiting, working, working}},
			{Name: "a permission that needs no decision", Calls: []agenttest.Call{
				{Event: eventPermission, Payload: `{"session":"s1","id":"per_1","permission":"bash","patterns":["muster done"],"metadata":{"command":"muster done"}}`},
			}},
			{Name: "a question", Calls: []agenttest.Call{
				{Event: eventQuestion, Payload: `{"session":"s1","id":"que_1","questions":[{"question":"Which?","header":"h","options":[{"label":"A","description":"a"},{"label":"B","description":"b"}]}]}`},
			}, Want: []event.RecordState{waiting}},
			{Name: "an error", Calls: []agenttest.Call{
				{Event: eventError, Payload: `{"session":"s1","error":{"name":"APIError","data":{"message":"scripted invalid_api_key","statusCode":401,"isRetryable":false,"responseHeaders":{"content-type":"application/json"},"responseBody":"{}"}}}`},
			}, Want: []event.RecordState{event.RecordError}},
			{Name: "a limit", Calls: []agenttest.Call{
				{Event: eventLimited, Payload: `{"session":"s1","text":"Too Many Requests","next":1795747540000}`},
			}, Want: []event.RecordState{event.RecordLimited}},
			{Name: "an interrupt", Calls: []agenttest.Call{{Event: eventInterrupted, Payload: `{"session":"s1"}`}}, Want: []event.RecordState{idle}},
			{Name: "a text that was not handed over", Calls: []agenttest.Call{{Event: eventFailed, Payload: `{"text":"Error"}`}}, Want: []event.RecordState{event.RecordError}},
			{Name: "a waiter without messages", Calls: []agenttest.Call{{Event: eventWait, Payload: `{}`}}},
		},
		Book: &agenttest.Book{
			Open: func(t *testing.T, l agent.Launch) {
				t.Helper()
				appendJournal(t, l, map[string]any{"type": "assistant", "id": "msg_0"})
			},
			Take: func(t *testing.T, l agent.Launch, prompt string) {
				t.Helper()
				appendJournal(t, l, map[string]any{"type": "user", "text": prompt})
			},
			Quote: func(t *testing.T, l agent.Launch, text string) {
				t.Helper()
				appendJournal(t, l, map[string]any{"type": "assistant", "id": "msg_2", "text": text})
			},
		},
	}
}

// appendJournal appends a line to the journal of the launch's generation.
func appendJournal(t *testing.T, l agent.Launch, line map[string]any) {
	t.Helper()
	line["session"] = testSession
	path := agent.JournalPath(l, l.Gen)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // the encoder's error counts
	if err := json.NewEncoder(f).Encode(line); err != nil {
		t.Fatal(err)
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	agenttest.Run(t, subject())
}

func FuzzHook(f *testing.F) { agenttest.FuzzHook(f, subject()) }
