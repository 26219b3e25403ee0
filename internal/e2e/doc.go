// Package e2e breaks whole fleets on purpose, and proves what muster promises of them.
//
// Owns: tests alone: real tmux, git and SQLite, the scripted agent, and processes that are killed at every point.
// Never does: ask muster whether it has cleaned up; that is read from the kernel, git and the file system.
// Start at: newFleet in fleet_test.go; what "nothing is left" means is in proof_test.go.
package e2e
