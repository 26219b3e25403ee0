package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/internal/testkit/claude"
	"muster/internal/testkit/codex"
	"muster/internal/testkit/copilot"
	"muster/internal/testkit/gemini"
	"muster/internal/testkit/model"
	"muster/internal/testkit/opencode"
)

// driver is what the table of situations needs to know of one kind of agent: how a test's user sets it up, and the words of its
// tools.
type driver struct {
	kind string
	// program returns the path of the real program.
	program func(t *testing.T) string
	// setUp sets the agent up for the user of a rig, and returns the tables of muster.toml that the agent needs.
	setUp func(r *agentRig) string
	// use returns a call of the tool that runs a command.
	use func(command string) (tool string, input any)
	// write returns a call of the tool that creates a file of one line.
	write func(path, line string) model.Reply
	// asked is a command for which the agent asks, and which makes allowed.txt; "" is touch.
	asked string
	// question returns a call of the tool that asks "Which color?", Red or Blue; nil for an agent that has none.
	question func() model.Reply
	// limit returns the answer of a service whose usage limit ends at a time.
	limit func(reset time.Time) model.Reply
	// half is how many events of a streamed answer are half of it; 0 is 2.
	half int
	// forgets says that a turn which is broken off takes its prompt out of the conversation.
	forgets bool
	// queues says that the program takes a message while its model hangs, so that what waits comes in one call afterwards.
	queues bool
	// quit is what a person types to leave the program.
	quit string
}

// color is the question that agents ask, in the form that most of them share.
func color(more map[string]any) map[string]any {
	q := map[string]any{
		"question": "Which color?", "header": "Color",
		"options": []any{map[string]any{"label": "Red", "description": "r"}, map[string]any{"label": "Blue", "description": "b"}},
	}
	for k, v := range more {
		q[k] = v
	}
	return map[string]any{"questions": []any{q}}
}

// described is the input of a shell tool that wants a description.
func described(command string) map[string]any {
	return map[string]any{"command": command, "description": "as it says"}
}

// retryAfter is the answer of a service that tells when to call again by the header of HTTP.
func retryAfter(reset time.Time) model.Reply {
	return model.Fail(429).With("retry-after", fmt.Sprint(int(time.Until(reset).Seconds())))
}

// drivers returns the agents of the table.
func drivers() []driver {
	return []driver{
		{
			kind: "claude", quit: "/exit", setUp: setUpClaude, asked: "git init -q allowed.txt", // it does not ask for touch
			program: func(t *testing.T) string {
				t.Helper()
				return claude.Path(t, claude.Versions()[len(claude.Versions())-1])
			},
			use: func(command string) (string, any) { return "Bash", described(command) },
			write: func(path, line string) model.Reply {
				return model.Use("Write", map[string]any{"file_path": path, "content": line + "\n"})
			},
			question: func() model.Reply { return model.Use("AskUserQuestion", color(map[string]any{"multiSelect": false})) },
			limit: func(reset time.Time) model.Reply {
				return model.Fail(429).With("anthropic-ratelimit-unified-status", "rejected").
					With("anthropic-ratelimit-unified-reset", fmt.Sprint(reset.Unix())).
					With("anthropic-ratelimit-unified-representative-claim", "five_hour")
			},
		},
		{
			kind: "codex", quit: "/quit", setUp: setUpCodex,
			program: func(t *testing.T) string { t.Helper(); return codex.Path(t) },
			use: func(command string) (string, any) {
				return "exec_command", map[string]any{
					"cmd": command, "yield_time_ms": 30000, "sandbox_permissions": "require_escalated", "justification": "it must be",
				}
			},
			write: func(path, line string) model.Reply {
				return model.Use("apply_patch", "*** Begin Patch\n*** Add File: "+filepath.Base(path)+"\n+"+line+"\n*** End Patch\n")
			},
			limit: func(reset time.Time) model.Reply { return codex.Used(codex.UsageLimit(reset), 100, reset) },
		},
		{
			kind: "opencode", quit: "/exit", queues: true, setUp: setUpOpenCode,
			program: func(t *testing.T) string { t.Helper(); return opencode.Path(t) },
			use:     func(command string) (string, any) { return "bash", described(command) },
			write: func(path, line string) model.Reply {
				return model.Use("write", map[string]any{"filePath": path, "content": line + "\n"})
			},
			question: func() model.Reply { return model.Use("question", color(nil)) },
			limit:    retryAfter,
		},
		{
			kind: "gemini", quit: "/quit", half: 1, forgets: true, setUp: setUpGemini,
			program: func(t *testing.T) string { t.Helper(); return gemini.Path(t) },
			use:     func(command string) (string, any) { return "run_shell_command", map[string]any{"command": command} },
			write: func(path, line string) model.Reply {
				return model.Use("write_file", map[string]any{"file_path": path, "content": line + "\n"})
			},
			question: func() model.Reply { return model.Use("ask_user", color(map[string]any{"type": "choice"})) },
			limit:    func(reset time.Time) model.Reply { return gemini.Exhausted(time.Until(reset)) },
		},
		{
			kind: "copilot", quit: "/exit", setUp: setUpCopilot,
			program: func(t *testing.T) string { t.Helper(); return copilot.Path(t) },
			use:     func(command string) (string, any) { return "bash", described(command) },
			write: func(path, line string) model.Reply {
				return model.Use("create", map[string]any{"path": path, "file_text": line + "\n"})
			},
			limit: retryAfter,
		},
	}
}

func setUpClaude(r *agentRig) string {
	r.setVar("ANTHROPIC_API_KEY", "")
	r.setVar("CLAUDE_CODE_OAUTH_TOKEN", "no-real-token") // an account with usage limits
	r.user = claude.SetUp(r.t, claude.Newest, r.root+"/user", r.repo)
	return `[agents.claude]
env_from = ["CLAUDE_CODE_OAUTH_TOKEN"]
[agents.claude.env]
ANTHROPIC_BASE_URL = "` + r.model.URL + `"
CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC = "1"
CLAUDE_CODE_MAX_RETRIES = "0"
NO_PROXY = "127.0.0.1,localhost"
`
}

func setUpCodex(r *agentRig) string {
	u := codex.User{Home: r.root + "/user", Dir: r.root + "/user/.codex"}
	u.SetUp(r.t, r.model.URL, r.repo)
	r.setVar(codex.KeyVariable, codex.Key)
	return `[agents.codex]
args = ["-a", "on-request"]
env_from = ["` + codex.KeyVariable + `"]
[agents.codex.env]
NO_PROXY = "127.0.0.1,localhost"
`
}

func setUpOpenCode(r *agentRig) string {
	for _, name := range []string{"XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"} {
		r.setVar(name, "")
	}
	opencode.User{Home: r.root + "/user"}.SetUp(r.t, r.model.URL, map[string]any{"bash": map[string]any{"*": "allow", "touch *": "ask"}, "question": "allow"})
	return `[agents.opencode]
model = "` + opencode.Model + `"
[agents.opencode.env]
NO_PROXY = "127.0.0.1,localhost"
`
}

func setUpGemini(r *agentRig) string {
	gemini.User{Home: r.root + "/user", URL: r.model.URL}.SetUp(r.t, r.repo)
	r.setVar(gemini.KeyVariable, gemini.Key)
	r.setVar("GOOGLE_GEMINI_BASE_URL", r.model.URL)
	return `[agents.gemini]
model = "` + gemini.Model + `"
args = ["--approval-mode", "auto_edit"]
env_from = ["` + gemini.KeyVariable + `", "GOOGLE_GEMINI_BASE_URL"]
[agents.gemini.env]
NO_PROXY = "127.0.0.1,localhost"
`
}

func setUpCopilot(r *agentRig) string {
	u := copilot.User{Home: r.root + "/user", ModelURL: r.model.URL}
	u.SetUp(r.t, r.repo)
	names := ""
	for _, kv := range u.Variables(r.t) {
		name, value, _ := strings.Cut(kv, "=")
		r.setVar(name, value)
		names += fmt.Sprintf("%q, ", name)
	}
	return "[agents.copilot]\nenv_from = [" + names + "]\n[agents.copilot.env]\nNO_PROXY = \"127.0.0.1,localhost\"\n"
}
