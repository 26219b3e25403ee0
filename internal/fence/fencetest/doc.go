// Package fencetest makes a machine for tests that cannot enforce a fence.
//
// Owns: hiding Landlock, or its version, from a process and from all that it starts.
// Never does: run outside tests.
// Start at: HideLandlock, WithABI.
package fencetest
