// Package storetest has the suite that every log must pass, and a log in memory that passes it. The simulation uses
// that log, and tests compare the file with it.
//
// Owns: the behaviour that store promises, as tests and as a model.
// Never does: touch a file.
// Start at: Run, Memory.
package storetest
