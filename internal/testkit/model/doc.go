// Package model is a scripted model: an HTTP server on loopback that speaks a protocol of models to a real agent.
//
// Owns: the protocols (streaming and not), the script of replies, the record of what the agent sent.
// Never does: make outgoing calls, judge what it receives.
// Start at: Start, Step.
package model
