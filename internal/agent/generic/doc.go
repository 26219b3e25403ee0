// Package generic is the adapter for every agent that a description (event.Recipe) describes, and has the descriptions that come
// with the program.
//
// Owns: the start of such an agent, the translation of its hooks and its record, and the presets.
// Never does: read a description from a configuration file (package recipe does); look at a screen.
// Start at: New, Preset, then Plan and Hook.
package generic
