// Package all lists the adapters of this program.
//
// Owns: the list of kinds, and the look-up of an adapter by its kind.
// Never does: the work of an adapter.
// Start at: New.
package all
