// Package gemini is the adapter for Gemini CLI.
//
// Owns: its settings, hooks, transcript, telemetry and screen, and which of its tools are asked about.
// Never does: write a file of the user, press a key, decide what a task does next.
// Start at: adapter.Plan, hookState.handle, transcript.parse; docs/agents.md.
package gemini
