// Package hub serves the repositories, the pull requests and the issues of a forge on loopback to tests, for the real programs.
//
// Owns: a server of git over HTTP that asks for a token, a server of the part of GitHub's API that muster uses, the faults of a network that a
// test wants from them, and the proxy of a company before them.
// Never does: run outside of tests; know the program under test.
// Start at: Start.
package hub
