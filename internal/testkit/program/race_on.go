//go:build race

package program

// Raced reports whether the tests run under the race detector.
const Raced = true
