// Package claude is the adapter for Claude Code.
//
// Owns: its arguments, settings, hooks, session file and transcripts, and how a conversation is resumed.
// Never does: write to the user's own configuration of Claude Code, decide about a task.
// Start at: New; Plan describes a launch, and Hook handles the calls of the hooks that Plan registers.
package claude
