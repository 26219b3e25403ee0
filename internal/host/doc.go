// Package host reads the state of the machine: processes and their ends, memory, disk, clocks, logind.
//
// Owns: the identity of processes, the watch for their end, ending everything that a task started, and readings of resources.
// Never does: start a program, signal a process whose start time differs, guess.
// Start at: Process, Deaths, End.
package host
