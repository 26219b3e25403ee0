// Package fleettest is a whole world for a supervisor, in memory and in virtual time.
//
// Owns: fakes of everything that fleet needs, agents and people that misbehave by chance, and the invariants.
// Never does: start a process, wait in real time, or trust the supervisor's own records about the world.
// Start at: Run; every call of Luck.Fault is something that may go wrong.
package fleettest
