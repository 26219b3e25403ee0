// Package sim is the built-in scripted agent: a program in a pane that behaves, and misbehaves, as told.
//
// Owns: its adapter, the program behind `muster sim`, its script language, its screen and its transcript.
// Never does: call a model, know anything of the fleet but what every agent is given.
// Start at: Main for the program, New for its adapter; the verbs of scripts are in script.go.
package sim
