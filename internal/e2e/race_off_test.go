//go:build !race

package e2e

// raced tells whether the tests run under the race detector.
const raced = false
