// Package agent holds what all kinds of agents share. Each kind has a folder below it; agent/all lists them.
//
// Owns: the contract of an adapter, how messages are framed in a prompt, what every agent is told about muster.
// Never does: know a vendor, start an agent's process, decide about a task, write to a user's own files.
// Start at: Adapter.
package agent
