// Package model is a scripted model: an HTTP server on loopback that speaks the Messages API to a real agent.
//
// Owns: the protocol (streaming and not), the script of replies, the record of what the agent sent.
// Never does: make outgoing calls, judge what it receives.
// Start at: Start, Step.
package model
