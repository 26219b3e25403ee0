// Package config reads TOML files into the one configuration of a fleet or a dispatch.
//
// Owns: every key of muster.toml and of the user's file, with type, default and meaning, in one table; the layers,
// and the origin of each value.
// Never does: read the environment, parse flags, or start anything.
// Start at: Load; the table of keys in keys.go.
package config
