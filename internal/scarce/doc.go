// Package scarce tells what fails because the machine lacks something from what fails for another reason.
//
// Owns: the list of the system's errors that pass by themselves, in numbers and in other programs' words.
// Never does: anything about them; the fleet puts off what failed so, and costs no task an attempt for it.
// Start at: Is.
package scarce
