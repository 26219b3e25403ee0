// Package proof asks the event log whether what lies in a mailbox was sent: an answer to a request, a message, a grant.
//
// A file in the mailbox is no proof by itself. Without a fence every process of the agent can write it, also one that an
// allowed check left behind. The log holds each answer, with request, text and generation, and each message before the
// supervisor writes the file. So the agent's side believes a file only if the log has it, or if a fence keeps both the log
// and the directory of the file from this process: then the supervisor alone can have written it.
//
// Owns: the mailbox as the agent's side uses it.
// Never does: write, or open the log while there is no file to ask about.
// Start at: Box, Log.
package proof
