package environ

import (
	"maps"
	"slices"
	"strings"
)

// Lookup returns the value of a variable in an environment, and whether it is there. The last one counts, as in a process.
func Lookup(env []string, name string) (string, bool) {
	for _, kv := range slices.Backward(env) {
		if k, v, ok := strings.Cut(kv, "="); ok && k == name {
			return v, true
		}
	}
	return "", false
}

// Get is Lookup for a caller to whom an empty variable is as good as none.
func Get(env []string, name string) string {
	v, _ := Lookup(env, name)
	return v
}

// With returns a copy of an environment in which these variables are set.
func With(env []string, vars map[string]string) []string {
	out := slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		_, replaced := vars[name]
		return replaced
	})
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		out = append(out, name+"="+vars[name])
	}
	return out
}

// Overlay returns a copy of an environment in which the NAME=VALUE pairs of more are set.
func Overlay(env []string, more ...string) []string {
	vars := map[string]string{}
	for _, kv := range more {
		name, value, _ := strings.Cut(kv, "=")
		vars[name] = value
	}
	return With(env, vars)
}
