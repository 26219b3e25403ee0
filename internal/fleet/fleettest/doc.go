// Package fleettest is a whole world for a supervisor, in memory and in virtual time.
//
// Owns: fakes of everything that fleet needs, agents that behave and misbehave by chance, and the invariants.
// Never does: start a process, touch a file, or look at the supervisor's own records to judge it.
// Start at: World.
package fleettest
