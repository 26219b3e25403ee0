package text

import (
	"regexp"
	"sync"
)

// Pattern returns a function that returns a regular expression, which is compiled at the first call. Agents start this
// program before and after each of their tool calls, and most calls need no regular expression: those that were compiled
// with the package cost a tenth of a hook. It panics at the first call if the expression cannot be parsed.
func Pattern(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
