// Package scarce recognises failures whose cause is a shortage of the machine.
//
// Owns: the list of errors of the system that mean a temporary shortage, as numbers and as texts in the output of
// other programs.
// Never does: handle them. The fleet postpones an action that failed so, and counts no attempt.
// Start at: Is.
package scarce
