// Package acp is a small agent that speaks the Agent Client Protocol, whose prompts are scripts. It shares no code with muster's side of
// the protocol.
//
// Owns: the program, its script language, and its conversations, which it keeps in files.
// Never does: call a model.
// Start at: Main; Install makes it a program of a test.
package acp
