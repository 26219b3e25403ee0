// Package lock takes and examines flock(2) files. The kernel frees such a lock when the last process that has it open
// ends, however it ends.
//
// Owns: how a lock is taken, who holds it, how it is inherited over exec, and waiting for one of several slots.
// Never does: remove a lock file, or know what a lock protects.
// Start at: Take, Held, Slot.
package lock
