package agent

import "strings"

// IsUUID reports whether a text is a UUID in its usual form: lower-case hexadecimal digits in five groups. Ids of
// conversations are, and a hook checks what it reads, without compiling a pattern.
func IsUUID(s string) bool {
	groups := strings.Split(s, "-")
	if len(groups) != 5 || len(s) != 36 {
		return false
	}
	for i, want := range []int{8, 4, 4, 4, 12} {
		if len(groups[i]) != want || strings.Trim(groups[i], "0123456789abcdef") != "" {
			return false
		}
	}
	return true
}
