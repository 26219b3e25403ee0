package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// unknown returns the complaint about a key or table that does not exist. Its hint names the nearest one that does.
func unknown(e entry) *complaint {
	last := e.path[len(e.path)-1]
	parent := e.path[:len(e.path)-1]
	known := children(parent)
	if len(parent) == 0 {
		c := &complaint{what: fmt.Sprintf("unknown table [%s]", last)}
		if !e.table {
			c.what = fmt.Sprintf("unknown key `%s` outside of any table", last)
			if home := homesOf(last); len(home) > 0 {
				c.hint = fmt.Sprintf("It belongs below [%s].", strings.Join(home, "] or ["))
				return c
			}
		}
		c.hint = hintWord(last, known, "The tables are", "")
		return c
	}
	c := &complaint{what: fmt.Sprintf("unknown key `%s` in [%s]", last, strings.Join(parent, "."))}
	if len(known) == 0 { // the parent does not exist either, as in a dotted key
		c.hint = hintWord(e.path[0], children(nil), "The tables are", "")
		return c
	}
	if home := homesOf(last); Nearest(last, known) == "" && len(home) > 0 {
		c.hint = fmt.Sprintf("It belongs below [%s].", strings.Join(home, "] or ["))
		return c
	}
	c.hint = hintWord(last, known, "Keys of ["+strings.Join(parent, ".")+"]", "")
	return c
}

// children returns the words that may follow a path.
func children(parent []string) []string {
	var words []string
	for _, k := range keys() {
		parts := strings.Split(k.path, ".")
		if len(parts) <= len(parent) || !matches(parent, parts) {
			continue
		}
		if w := parts[len(parent)]; w != "NAME" && w != "VAR" && !slices.Contains(words, w) {
			words = append(words, w)
		}
	}
	return words
}

// homesOf returns the tables that have a key of that name.
func homesOf(word string) []string {
	var homes []string
	for _, k := range keys() {
		if i := strings.LastIndexByte(k.path, '.'); k.path[i+1:] == word {
			homes = append(homes, k.path[:i])
		}
	}
	return homes
}

// hintWord returns a hint that names the word that was probably meant, and lists all known words after lead.
func hintWord(word string, known []string, lead, after string) string {
	hint := fmt.Sprintf("%s: %s.", lead, strings.Join(known, ", "))
	if n := Nearest(word, known); n != "" {
		hint = fmt.Sprintf("Did you mean `%s`? %s", n, hint)
	}
	if after != "" {
		hint += " " + after
	}
	return hint
}

// Nearest returns the known word that word is probably a misspelling of, or "".
func Nearest(word string, known []string) string {
	if len(word) > 64 {
		return ""
	}
	best, least := "", 2 // one error in a short word, two from four letters on, three from nine
	if len(word) >= 4 {
		least = 3
	}
	if len(word) >= 9 {
		least = 4
	}
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < least {
			best, least = k, d
		} else if best == "" && len(word) > 2 && strings.HasPrefix(k, word) {
			best = k
		}
	}
	return best
}

// distance returns the number of insertions, deletions, replacements and swaps of neighbours between two words.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

// quoted returns the words in quotes, separated by commas.
func quoted(words []string) string {
	q := make([]string, len(words))
	for i, w := range words {
		q[i] = strconv.Quote(w)
	}
	return strings.Join(q, ", ")
}
