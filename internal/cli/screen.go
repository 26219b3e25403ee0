package cli

import (
	"os"

	"golang.org/x/term"

	"muster/internal/text"
)

// isTerminal reports whether a stream is a terminal, so that a person can answer a question.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// forPeople returns standard output for text of agents and repositories.
func (e Env) forPeople() *text.Writer { return text.NewWriter(e.Stdout, e.colour()) }
