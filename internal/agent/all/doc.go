// Package all lists the adapters that this program has.
//
// Owns: the list of kinds, and the way from a kind's name to its adapter.
// Never does: anything that an adapter does.
// Start at: New.
package all
