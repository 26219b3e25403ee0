// Package life is the life of a task: which state it is in, and what happens next.
//
// Owns: every decision of muster, for one task (Decide) and for the fleet (Schedule), and the fold of the log (Apply).
// Never does: read a clock, touch a file, start a goroutine; Apply never decides.
// Start at: Decide; the table of rules is in table.go.
package life
