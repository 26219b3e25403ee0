// Package permit judges permission requests and questions of agents by rules.
//
// Owns: the meaning of rules: which requests match a rule, what a command is made of, and which rules can never match.
// Never does: read a file, or answer a request. Package life decides by its verdicts, and hooks of agents use them to find
// out whether a tool needs a decision at all.
// Start at: Judge.
//
// A command is split into its simple commands by a parser for bash. A rule denies the command if it matches one of them,
// also within a substitution or behind a wrapper such as env. The command is allowed only if each of its simple commands
// is allowed, and if it is made of nothing else whose effect cannot be read from its text:
//
//	git fetch && go test ./... | tee log     →  git fetch · go test ./... · tee log
//	go test $(curl example.org/args)         →  cannot be judged, so a person is asked
package permit
