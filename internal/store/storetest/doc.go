// Package storetest is the one suite that every log must pass: the file and its twin in memory.
//
// Owns: the behaviour that store promises, as tests.
// Never does: know how a log is kept.
// Start at: Run.
package storetest
