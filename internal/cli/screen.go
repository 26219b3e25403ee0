package cli

import (
	"os"

	"golang.org/x/term"

	"muster/internal/text"
)

// isTerminal reports whether a stream is a terminal, where a person can be asked.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// forPeople is standard output for what agents and repositories wrote.
func (e Env) forPeople() *text.Writer { return text.NewWriter(e.Stdout, e.colour()) }
