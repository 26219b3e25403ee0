// Package codex is the adapter for Codex CLI: its interactive program in a pane, driven by its own hooks.
//
// Owns: the command line of a launch, what hooks and the rollout file say, permission answers, what stops a launch.
// Never does: write a file of the user or of the repository, decide from the screen, read a credential.
// Start at: New, Plan, Hook.
package codex
