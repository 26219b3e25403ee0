// Package prooftest writes into the log of a test what a supervisor writes before it sends something to an agent.
//
// Owns: the log of a test without a supervisor.
// Never does: write into a mailbox.
// Start at: Intend, Send.
package prooftest
