// Package faulttest checks the errors that a test gets.
//
// Owns: what a test demands of an error for people.
// Never does: run outside tests.
// Start at: Want.
package faulttest
