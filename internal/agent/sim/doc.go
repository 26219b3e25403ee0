// Package sim is the built-in scripted agent: a program in a pane that behaves, and misbehaves, as told.
//
// Owns: its adapter, the program behind `muster sim`, its script language, its screen and its transcript.
// Never does: call a model, use more of the fleet than every agent gets.
// Start at: Main for the program, New for its adapter; script.go has the verbs of scripts.
package sim
