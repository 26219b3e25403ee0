// Package forge opens and reads changes (pull requests) on GitHub, reads issues there, and comments on them.
//
// Owns: the gh program, of which only `gh api` is used; what a forge's answers and errors mean.
// Never does: decide anything about a task, keep a login, retry, merge, or close.
// Start at: Forge, Open; GitHub and Command implement it.
package forge
