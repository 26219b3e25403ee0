// Package program builds the programs that tests start.
//
// Owns: how a test gets a program without the race detector, whose start costs six times the processor time.
// Never does: run what it has built.
// Start at: Temp, Build, BuildTest.
package program
