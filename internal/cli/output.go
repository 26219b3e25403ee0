package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"

	"muster/internal/config"
	"muster/internal/text"
)

// printJSON prints a result as one indented JSON value.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// say prints a line of result; nothing for "".
func (e Env) say(line string) error {
	if line == "" {
		return nil
	}
	_, err := fmt.Fprintln(e.Stdout, line)
	return err
}

// line prints one line, cut where the terminal ends.
func (e Env) line(text string) error {
	if limit := e.width(); limit > 0 {
		text = ansi.Truncate(text, limit, "…")
	}
	_, err := fmt.Fprintln(e.Stdout, text)
	return err
}

// width is how many columns the reader has; 0 if nothing says so, and then nothing is cut.
func (e Env) width() int {
	f, ok := e.Stdout.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	w, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return w
}

// colour reports whether output may be coloured: on a terminal only, and never against NO_COLOR.
func (e Env) colour() bool {
	return e.width() > 0 && e.Getenv("NO_COLOR") == "" && e.Getenv("TERM") != "dumb"
}

// table prints rows under a head, in columns as wide as they need. Where the terminal is narrower the widest
// columns give way, and what does not fit ends in an ellipsis. Cells may be coloured. What an agent wrote must be
// cleaned before it becomes a cell.
func (e Env) table(head []string, rows [][]string) error {
	const gap = 2
	widths := make([]int, len(head))
	for _, row := range append([][]string{head}, rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], ansi.StringWidth(cell))
		}
	}
	limit := e.width()
	if limit > 0 {
		fit(widths, limit-gap*(len(widths)-1))
	}
	var b strings.Builder
	for _, row := range append([][]string{head}, rows...) {
		line := ""
		for i, cell := range row {
			if limit > 0 {
				cell = ansi.Truncate(cell, widths[i], "…")
			}
			if i < len(row)-1 {
				cell += strings.Repeat(" ", widths[i]-ansi.StringWidth(cell)+gap)
			}
			line += cell
		}
		line = strings.TrimRight(line, " ")
		if limit > 0 {
			line = ansi.Truncate(line, limit, "…")
		}
		b.WriteString(line + "\n")
	}
	_, err := io.WriteString(e.Stdout, b.String())
	return err
}

// fit takes from the widest columns, one after the other, until all fit into total; none becomes unreadable.
func fit(widths []int, total int) {
	const least = 6
	sum := 0
	for _, w := range widths {
		sum += w
	}
	for ; sum > total; sum-- {
		widest := 0
		for i, w := range widths {
			if w >= widths[widest] {
				widest = i
			}
		}
		if widths[widest] <= least {
			return
		}
		widths[widest]--
	}
}

// clean makes text of an agent or a repository fit for one line of a terminal.
func clean(s string, most int) string { return text.Field(s, most) }

// duration prints a duration of a setting.
func duration(d time.Duration) string { return config.FormatDuration(d) }
