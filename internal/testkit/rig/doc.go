// Package rig runs one generation of a real agent in a real pane, without a supervisor.
//
// Owns: the repository with its worktree, the private tmux server, the start of the agent as its adapter plans it, and the end of
// everything that it started.
// Never does: know an agent. A test brings the adapter and the user's environment.
// Start at: New, Main.
package rig
