package agent

import "strings"

// Option splits one argument of a command line: "--name=value", "-n=value" or "-nvalue". joined reports whether the value
// is part of the argument. The name of an option with a single dash has one letter, as with the parsers of all agents.
func Option(arg string) (name, value string, joined bool) {
	if strings.HasPrefix(arg, "-") && !strings.HasPrefix(arg, "--") && len(arg) > 2 {
		return arg[:2], strings.TrimPrefix(arg[2:], "="), true
	}
	return strings.Cut(arg, "=")
}

// Argument returns the name and the value of the i-th argument of a command line. The value is part of the argument, or is
// the next one. It returns false if there is no value.
func Argument(args []string, i int) (name, value string, ok bool) {
	name, value, ok = Option(args[i])
	if !ok && i+1 < len(args) {
		return name, args[i+1], true
	}
	return name, value, ok
}
