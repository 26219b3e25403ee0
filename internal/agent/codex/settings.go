package codex

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/text"
)

const (
	// hookTimeout is the limit of a hook that only writes a record.
	hookTimeout = 20 * time.Second
	// shortTimeout is the agent's own limit for the events at its end; it warns on the screen about a longer one.
	shortTimeout = 3 * time.Second
)

// registered are the hooks that a launch registers, with the agent's names in keys.
var registered = []struct{ event, key string }{
	{"SessionStart", "session_start"},
	{"UserPromptSubmit", "user_prompt_submit"},
	{"PreToolUse", "pre_tool_use"},
	{"PermissionRequest", "permission_request"},
	{"PostToolUse", "post_tool_use"},
	{"PreCompact", "pre_compact"},
	{"PostCompact", "post_compact"},
	{"Stop", "stop"},
	{"Interrupt", "interrupt"},
	{"SessionEnd", "session_end"},
}

// hookFlags returns the values of -c that register the hooks and state that they are trusted. Otherwise a dialog asks
// about each. The trust is bound to a hash of the definition, and is given to no other hook.
func hookFlags(l agent.Launch) []string {
	var out, trusted []string
	for _, h := range registered {
		command := text.Quote(l.Exe) + " hook " + kind + " " + h.event
		timeout := seconds(timeoutOf(h.event, l.Spec))
		out = append(out, fmt.Sprintf(`hooks.%s=[{hooks=[{type="command",command=%s,timeout=%d}]}]`, h.event, tomlString(command), timeout))
		trusted = append(trusted, fmt.Sprintf(`%s={trusted_hash=%s}`,
			tomlString("/<session-flags>/config.toml:"+h.key+":0:0"), tomlString(hookHash(h.key, command, timeout))))
	}
	return append(out, "hooks.state={"+strings.Join(trusted, ",")+"}")
}

// hookHash returns the agent's hash of a hook: of its definition as JSON with sorted keys and defaults filled in.
func hookHash(key, command string, timeout int) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(map[string]any{"event_name": key, "hooks": []any{
		map[string]any{"type": "command", "command": command, "timeout": timeout, "async": false},
	}})
	sum := sha256.Sum256([]byte(strings.TrimSuffix(b.String(), "\n")))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func timeoutOf(name string, spec event.Spec) time.Duration {
	switch name {
	case "PermissionRequest", "PreToolUse":
		if name == "PreToolUse" && len(spec.Permission) == 0 {
			return hookTimeout
		}
		return cmp.Or(spec.LongestWait(), agent.DefaultWait) + 2*agent.WaitGrace
	case "PostToolUse":
		return agent.EditTimeout + hookTimeout
	case "Interrupt", "SessionEnd":
		return shortTimeout
	}
	return hookTimeout
}

func seconds(d time.Duration) int { return int(d.Round(time.Second).Seconds()) }

// tomlString returns a text as a basic string of TOML.
func tomlString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
