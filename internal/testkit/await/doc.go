// Package await waits in tests for what nothing announces.
//
// Owns: polling in tests, with a time limit.
// Never does: run outside tests.
// Start at: Until.
package await
