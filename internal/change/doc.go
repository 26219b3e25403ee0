// Package change says what finished work consists of, beyond the verdicts of its checks: files outside of the task's scope,
// deleted tests, nothing but prose, the definition of the checks, or more than was wanted.
//
// Owns: what counts as a test, as prose, and as the definition of a check.
// Never does: decide what happens to the work (life does), or read a repository.
// Start at: Find.
package change
