// Package keeper restarts the supervisor, and goes over to another program and back during an upgrade.
//
// Owns: the process that starts the supervisor again, the files of an upgrade request and its outcome.
// Never does: read the log, call tmux, or judge whether a program is good beyond whether it became ready.
// Start at: Keeper.Serve, Ask.
package keeper
