// Package host says what the machine knows: processes and their deaths, memory, disk, clocks, logind.
//
// Owns: pid identity, the watch on deaths, the ending of everything a task left running, resource and sleep readings.
// Never does: start a program, end a process whose start time differs from the one it was told, or guess.
// Start at: Process, Deaths, End.
package host
