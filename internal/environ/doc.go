// Package environ handles environments as lists of NAME=VALUE.
//
// Owns: which variables of the user's environment a launch gets, and the file in which `muster up` saves them.
// Never does: read or change the environment of this process.
// Start at: ForLaunch, Save, Load.
package environ
