// Package agent knows the kinds of agents: how each is started, what it reports, how one talks to it.
//
// Owns: every word about a particular vendor: arguments, hooks, state files, transcripts, resume.
// Never does: start a process of an agent, decide about a task, write to a user's own files.
// Start at: Adapter, and one file per kind.
package agent
