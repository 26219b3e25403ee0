// Package claude is the adapter for Claude Code.
//
// Owns: its arguments, settings, hooks, session file, transcripts, and how it is resumed.
// Never does: write to the user's own configuration of Claude Code.
// Start at: New; Plan starts a generation, Hook is the other end of the hooks that Plan registers.
package claude
