package text

import "strings"

// plainWord are the characters that mean themselves to every shell.
const plainWord = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=:@%+,"

// Quote returns one word for a POSIX shell, which a person may paste.
func Quote(word string) string {
	// zsh takes a leading = for the path of a program.
	if word != "" && word[0] != '=' && strings.Trim(word, plainWord) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// Command returns an argv as a line for a POSIX shell.
func Command(argv []string) string {
	out := make([]string, len(argv))
	for i, word := range argv {
		out[i] = Quote(word)
	}
	return strings.Join(out, " ")
}
