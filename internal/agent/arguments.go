package agent

import "strings"

// Argument splits the i-th argument of a command line: "--name=value", or "--name" with the next argument as its value. It
// returns false if there is no value.
func Argument(args []string, i int) (name, value string, ok bool) {
	name, value, ok = strings.Cut(args[i], "=")
	if !ok && i+1 < len(args) {
		return name, args[i+1], true
	}
	return name, value, ok
}
