package opencode_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"muster/internal/testkit/files"
)

// drive imports the plugin, sends it the events of a session, and prints the records that it makes. A step is an event of
// OpenCode, or the name of a record to wait for.
const drive = `
import fs from "node:fs"
const { muster } = await import(process.argv[2] + "/plugin.js")
const client = { _client: {}, session: { abort: async () => {}, messages: async () => ({ data: [] }) } }
const { event } = await muster({ client, directory: "/work" })
const records = () => fs.readFileSync(process.argv[2] + "/records", "utf8").split("\n").filter(Boolean)
for (const step of JSON.parse(process.argv[3])) {
  if (step.type) await event({ event: step })
  else for (let left = 200; !records().includes(step.record); left--) {
    if (!left) throw new Error("no record " + step.record + ", but " + records())
    await new Promise((r) => setTimeout(r, 50))
  }
}
console.log(records().join(" "))
process.exit(0)
`

// step is an event of OpenCode, or a record that is waited for.
type step struct {
	Type       string         `json:"type,omitempty"`
	Properties map[string]any `json:"properties,omitempty"`
	Record     string         `json:"record,omitempty"`
}

func statusOf(kind string, more map[string]any) step {
	status := map[string]any{"type": kind}
	for k, v := range more {
		status[k] = v
	}
	return step{Type: "session.status", Properties: map[string]any{"sessionID": "s1", "status": status}}
}

// TestPlugin_EndsATurnThatBeginsRightAfterAnAbort: the plugin aborts a turn that rests at a limit. A prompt that comes
// within the moment in which the plugin waits for the error of the aborted turn has an end of its own.
func TestPlugin_EndsATurnThatBeginsRightAfterAnAbort(t *testing.T) {
	t.Parallel()
	far := map[string]any{"attempt": 1, "message": "Too Many Requests", "next": int64(1) << 50}
	aborted := step{Type: "session.error", Properties: map[string]any{"sessionID": "s1", "error": map[string]any{"name": "MessageAbortedError"}}}
	idle := step{Type: "session.idle", Properties: map[string]any{"sessionID": "s1"}}
	for name, c := range map[string]struct {
		steps []step
		want  string
	}{
		"done":        {[]step{statusOf("busy", nil), statusOf("retry", far), {Record: "limited"}, aborted, idle, statusOf("busy", nil), idle, {Record: "idle"}}, "limited idle"},
		"interrupted": {[]step{statusOf("busy", nil), statusOf("retry", far), {Record: "limited"}, aborted, idle, statusOf("busy", nil), aborted, idle, {Record: "interrupted"}}, "limited interrupted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			exe := filepath.Join(dir, "hook")
			files.Script(t, dir, "hook", "cat >/dev/null\necho $3 >>"+dir+"/records\n")
			launch, err := json.Marshal(map[string]any{"exe": exe, "rw": dir, "journal": "journal", "session": "s1", "parts": []any{}})
			if err != nil {
				t.Fatal(err)
			}
			plugin, err := os.ReadFile("plugin.js")
			if err != nil {
				t.Fatal(err)
			}
			files.Write(t, filepath.Join(dir, "plugin.js"), string(plugin))
			files.Write(t, filepath.Join(dir, "package.json"), `{"type":"module"}`)
			files.Write(t, filepath.Join(dir, "launch.json"), string(launch))
			files.Write(t, filepath.Join(dir, "records"), "")
			files.Write(t, filepath.Join(dir, "drive.js"), drive)
			steps, err := json.Marshal(c.steps)
			if err != nil {
				t.Fatal(err)
			}
			out, err := exec.CommandContext(t.Context(), "node", filepath.Join(dir, "drive.js"), dir, string(steps)).CombinedOutput()
			if got := strings.TrimSpace(string(out)); err != nil || got != c.want {
				t.Errorf("the records are %q (%v), want %q", got, err, c.want)
			}
		})
	}
}
