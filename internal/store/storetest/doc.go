// Package storetest has the suite that every log must pass, and a log in memory that passes it: the simulation runs on that
// one, and the file is compared with it.
//
// Owns: the behaviour that store promises, as tests and as a model.
// Never does: touch a file.
// Start at: Run, Memory.
package storetest
