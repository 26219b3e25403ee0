// Package environ handles environments as lists of NAME=VALUE.
//
// Owns: muster's own variables, which variables of the user's environment a launch gets, and the file in which `muster up`
// saves them.
// Never does: read or change the environment of this process.
// Start at: Lookup, Overlay, ForLaunch, ReadAgent; the table of muster's variables is in variables.go.
package environ
