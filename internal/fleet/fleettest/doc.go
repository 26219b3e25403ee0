// Package fleettest is a whole world for a supervisor, in memory and in virtual time.
//
// Owns: fakes of everything that fleet needs, agents and people that behave and misbehave by chance, and the invariants.
// Never does: start a process, wait in real time, or believe what the supervisor's own records say of the world.
// Start at: Run; what may go wrong is each call of Luck.Fault.
package fleettest
