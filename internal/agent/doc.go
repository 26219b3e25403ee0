// Package agent has what all kinds of agents share. Each kind has a package below it; agent/all lists them.
//
// Owns: the interface of an adapter, the framing of messages in a prompt, and what every agent is told about muster.
// Never does: name a vendor, start an agent's process, decide about a task, write to a user's own files.
// Start at: Adapter.
package agent
