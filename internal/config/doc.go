// Package config turns TOML into the one configuration that a fleet or a dispatch goes by.
//
// Owns: every key of muster.toml and of the user's file, with type, default and meaning, in one table; the layers and where each value came from.
// Never does: read the environment, parse flags, or start anything.
// Start at: Load; the table of keys in keys.go.
package config
