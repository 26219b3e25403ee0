// Package program builds the programs that tests start.
//
// Owns: building programs without the race detector, which makes their start six times as expensive.
// Never does: run the programs.
// Start at: Temp, Build, BuildTest.
package program
