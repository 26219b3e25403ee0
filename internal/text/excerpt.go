package text

import (
	"fmt"
	"strings"
)

// Shares of the limit: a compiler prints the cause first, a test runner its summary last. Of the lines between only
// those that name a place in the source are useful.
const (
	headShare  = 4   // a quarter
	placeShare = 4   // a quarter
	maxLine    = 400 // bytes of one line that are kept; a longer one is a minified source
)

// place finds lines that name a place in the source, as compilers, linters and test runners write them:
// file:line:column, file(line,column), "file", line N; and the usual words of a failure.
var place = Pattern(`^\s*(\S*[\w)\]]\.\w+:\d+(:\d+)?\b|\S*\.\w+\(\d+,\d+\)|File ".*", line \d+|-->? \S+:\d+)|` +
	`(?i:\b(error|fail(ed|ure)?|panic|fatal|exception|undefined|assert\w*)\b)`)

// Excerpt returns the part of a program's output that helps to fix what failed, cleaned, of at most limit bytes: all of
// it if it fits, otherwise its head, the lines in between that name a place in the source, and its tail, with a mark
// where lines were left out.
func Excerpt(output []byte, limit int) string {
	whole := strings.TrimRight(Clean(string(output)), "\n \t")
	whole = strings.TrimLeft(whole, "\n")
	if len(whole) <= limit {
		return whole
	}
	lines := strings.Split(whole, "\n")
	for i, l := range lines {
		lines[i] = Cut(l, maxLine)
	}
	const marks = 160 // room for the marks of what was left out
	room := limit - marks
	if room < marks {
		return Cut(whole, limit)
	}
	head := fit(lines, room/headShare)
	tail := fitTail(lines[head:], room/2)
	middle := lines[head : len(lines)-tail]
	var b strings.Builder
	writeLines(&b, lines[:head])
	writePlaces(&b, middle, room/placeShare)
	writeLines(&b, lines[len(lines)-tail:])
	return Cut(strings.TrimRight(b.String(), "\n"), limit)
}

// fit returns how many of the first lines fit into room bytes.
func fit(lines []string, room int) int {
	for i, l := range lines {
		room -= len(l) + 1
		if room < 0 {
			return i
		}
	}
	return len(lines)
}

// fitTail returns how many of the last lines fit into room bytes.
func fitTail(lines []string, room int) int {
	for i := range lines {
		room -= len(lines[len(lines)-1-i]) + 1
		if room < 0 {
			return i
		}
	}
	return len(lines)
}

// writePlaces writes the lines that name a place, up to room bytes, and how many others were left out.
func writePlaces(b *strings.Builder, lines []string, room int) {
	left, kept := 0, 0
	for _, l := range lines {
		if !place().MatchString(l) || len(l)+1 > room {
			left++
			continue
		}
		if kept == 0 {
			b.WriteString("[… lines left out; of them these name a place or a failure:]\n")
		}
		kept++
		room -= len(l) + 1
		b.WriteString(l)
		b.WriteByte('\n')
	}
	if left > 0 {
		fmt.Fprintf(b, "[… %d lines left out]\n", left)
	}
}

func writeLines(b *strings.Builder, lines []string) {
	for _, l := range lines {
		b.WriteString(l)
		b.WriteByte('\n')
	}
}
