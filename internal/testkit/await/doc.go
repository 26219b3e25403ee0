// Package await polls in tests for conditions without a notification.
//
// Owns: polling in tests, with a time limit.
// Never does: run outside tests.
// Start at: Until.
package await
