package control

import (
	"context"
	"strings"
	"unicode/utf8"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/store"
	"muster/internal/text"
)

// maxSought is the length of the words that are searched for, and maxFoundLine that of a line that was found, in bytes.
const (
	maxSought    = 200
	maxFoundLine = 2000
)

// Search asks for the lines of a log that have some words, whether in capitals or not.
type Search struct {
	Log
	Words string
	Most  int // the first lines that are returned; 0 is no limit
}

// Found are the lines of a log that have the words of a search.
type Found struct {
	Task   event.TaskID // "" for the supervisor's
	Source string       // as in TaskLog
	Words  string       // that were searched for
	Lines  []FoundLine  // in their order
	Count  int          // of the lines that have the words, also of those that are not returned
	Of     int          // the number of lines of the log
}

// FoundLine is one line of a log, cleaned, and as far as it is not longer than any line that a person reads.
type FoundLine struct {
	Number int // the first line of the log is 1
	Text   string
}

func (q Search) get(ctx context.Context, c *Control, db *store.Store) (Found, error) {
	words := strings.ToLower(text.Terminal(q.Words, false))
	switch {
	case strings.TrimSpace(words) == "" || strings.Contains(words, "\n"):
		return Found{}, fault.New(fault.Usage, "there are no words to search for").WithHint("Give a part of one line.")
	case len(words) > maxSought:
		return Found{}, fault.New(fault.Usage, "the words to search for have %d bytes; the limit is %d", len(words), maxSought).WithHint("Give a shorter part of one line.")
	}
	l, err := q.Log.get(ctx, c, db)
	if err != nil {
		return Found{}, err
	}
	said, err := l.Say(ctx)
	if err != nil {
		return Found{}, err
	}
	out := Found{Task: l.Task, Source: l.Source, Words: words}
	for line := range strings.Lines(text.Terminal(said, false)) {
		if out.Of++; out.Of%10_000 == 0 && ctx.Err() != nil {
			return out, ctx.Err()
		}
		line = strings.TrimRight(line, "\n")
		if !strings.Contains(strings.ToLower(line), words) {
			continue
		}
		if out.Count++; q.Most == 0 || len(out.Lines) < q.Most {
			out.Lines = append(out.Lines, FoundLine{Number: out.Of, Text: around(line, words)})
		}
	}
	return out, nil
}

// around returns a line, or of a long one the part that has the words.
func around(line, words string) string {
	if len(line) <= maxFoundLine {
		return line
	}
	at := max(0, strings.Index(strings.ToLower(line), words)-maxFoundLine/4)
	at = min(at, len(line)) // the same line in small letters may be longer
	for at < len(line) && !utf8.RuneStart(line[at]) {
		at++
	}
	begin := ""
	if at > 0 {
		begin = "…"
	}
	return begin + text.Cut(line[at:], maxFoundLine)
}

// Marks returns where a line that was found has the words, as pairs of offsets. Letters whose small form has another length are not
// found, so that no offset is within a letter.
func (f Found) Marks(line string) (out [][2]int) {
	small := strings.ToLower(line)
	if len(small) != len(line) {
		return nil
	}
	for at := 0; ; {
		i := strings.Index(small[at:], f.Words)
		if i < 0 {
			return out
		}
		out = append(out, [2]int{at + i, at + i + len(f.Words)})
		at += i + len(f.Words)
	}
}
