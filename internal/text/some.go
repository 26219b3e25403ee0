package text

import (
	"fmt"
	"strings"
)

// Some joins the first few words of a list for a message, and says how many more there are.
func Some[S ~string](all []S, most int) string {
	words := make([]string, min(len(all), most))
	for i := range words {
		words[i] = string(all[i])
	}
	out := strings.Join(words, ", ")
	if more := len(all) - most; more > 0 {
		out += fmt.Sprintf(" and %d more", more)
	}
	return out
}
