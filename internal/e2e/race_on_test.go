//go:build race

package e2e

// raced reports whether the tests run under the race detector.
const raced = true
