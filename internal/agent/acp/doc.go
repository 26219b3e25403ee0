// Package acp is the adapter for agents that speak the Agent Client Protocol (JSON-RPC over their standard streams), and has the
// program behind `muster acp`, which runs such an agent in a pane.
//
// Owns: the start of such an agent, the client's side of the protocol, the transcript in the pane, and what comes with the program for
// agents that speak it.
// Never does: give the agent files or a terminal of its own, answer a request by itself, look at a screen.
// Start at: New and Plan for the adapter; Main, then program.run for the program.
package acp
