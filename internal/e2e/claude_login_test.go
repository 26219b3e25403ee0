package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"muster/internal/event"
	"muster/internal/fence"
	"muster/internal/testkit/claude"
	"muster/internal/testkit/model"
)

// TestClaudeKeepsItsLoginFromItsCommands checks that a command which a fenced agent runs for its model can neither read the
// agent's configuration nor its key, nor from the agent's process, and that it builds, commits and talks to muster all the same.
func TestClaudeKeepsItsLoginFromItsCommands(t *testing.T) {
	t.Parallel()
	if _, err := fence.ABI(); err != nil {
		t.Skipf("NOT TESTED: %v", err)
	}
	for _, version := range claude.Versions() {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			sources := map[string]string{"tool.sh": `[ -n "$CLAUDE_CONFIG_DIR" ] && echo "there is a directory"
cat "$CLAUDE_CONFIG_DIR/.claude.json" && echo "configuration was read"
echo x >> "$CLAUDE_CONFIG_DIR/settings.json" && echo "configuration was written"
env | grep "^ANTHROPIC_API_KEY" && echo "key was read"
tr '\0' '\n' < "/proc/$PPID/environ" | grep ANTHROPIC_API_KEY && echo "key was read from the shell"
for p in /proc/[0-9]*; do tr '\0' '\n' < "$p/environ" 2>/dev/null | grep "^ANTHROPIC_API_KEY=` + claude.Key + `" && echo "key was read from a process"; done
go build ./... && echo "it builds"
go test ./... || echo "the test was red"
echo "package answer" > more.go && git add more.go && git commit -qm more && echo "it was committed"
muster note "from a command" && echo "it was noted"
muster check build && echo "the check was green"
muster done && echo "it said done"
true
`}
			for name, text := range goFiles {
				sources[name] = text
			}
			r := newClaudeRigOf(t, version, goChecks, sources)
			r.configure(goChecks+"\n[fence]\nmode = \"on\"\n", `args = ["--allowedTools", "Bash(sh tool.sh)"]`)
			r.write(filepath.Join(r.home, "config.toml"), "[fleet]\nmin_free_disk = 1\nmin_free_memory = 1\n\n[fence]\nwrite = [\""+goEnv(t, "GOCACHE")+"\"]\n")
			file := r.workFile("t1", "the answer", "answer.go")
			r.model.Add(useRead(file), useEdit(file, "return 0", "return 42"), useBash("sh tool.sh"), model.Text("Done."))
			id := r.queue("the answer", "Make the test pass.")
			got := r.asked(4).Last()
			for _, want := range []string{"there is a directory", "it builds", "it was committed", "it was noted", "the check was green", "it said done"} {
				if !got.Contains(want) {
					t.Errorf("the command did not say %q", want)
				}
			}
			for _, bad := range []string{"was read", "was written", "the test was red", claude.Key} {
				if got.Contains(bad) {
					t.Errorf("the command said %q", bad)
				}
			}
			if t.Failed() {
				t.Logf("the command said: %+v", got)
			}
			r.becomes(id, event.Done)
			if log := r.git("log", "--format=%s", "main.."+r.task(id).Branch); !strings.Contains(log, "more") {
				t.Errorf("the branch has the commits %q", log)
			}
		})
	}
}
