package recipe

// shapes are known forms of hooks, by the name that the key hooks has. A description may override each of their keys.
var shapes = map[string]map[string]any{
	// Hooks as Claude Code defined them, which many agents have taken over: JSON on standard input, answers on standard output.
	"claude": {
		"fields": map[string]any{
			"session": "/session_id", "prompt": "/prompt", "tool": "/tool_name", "tool_id": "/tool_use_id", "input": "/tool_input",
			"command": "/tool_input/command", "path": "/tool_input/file_path", "transcript": "/transcript_path", "message": "/message",
		},
		"events": map[string]any{
			"SessionStart":     "working",
			"UserPromptSubmit": "prompted",
			"PreToolUse": map[string]any{
				"state": "tool",
				"deny":  `{"hookSpecificOutput":{"hookEventName":"PreToolUse","permissionDecision":"deny","permissionDecisionReason":"{reason}"}}`,
			},
			"PostToolUse": map[string]any{"state": "tool_ended", "words": `{"decision":"block","reason":"{words}"}`},
			"Stop":        "idle",
			"SessionEnd":  "ended",
		},
	},
}
