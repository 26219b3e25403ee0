// Package recipe reads descriptions of agents: the keys of a recipe in a configuration file, and what they say about a payload.
//
// Owns: the keys of event.Recipe and their strict checks, JSON pointers, placeholders, and which meaning of an event holds.
// Never does: read a file, know an agent, write a record.
// Start at: Decode, Match, Fill.
package recipe
