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

// say prints a line of result, and nothing for "".
func (e Env) say(line string) error {
	if line == "" {
		return nil
	}
	_, err := fmt.Fprintln(e.Stdout, line)
	return err
}

// line prints one line, cut at the terminal's width.
func (e Env) line(text string) error {
	if limit := e.width(); limit > 0 {
		text = ansi.Truncate(text, limit, "…")
	}
	_, err := fmt.Fprintln(e.Stdout, text)
	return err
}

// width returns the number of columns of the terminal; 0 if it is unknown, and then nothing is cut.
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

// colour reports whether output may be coloured: only on a terminal, and never with NO_COLOR.
func (e Env) colour() bool {
	return e.width() > 0 && e.Getenv("NO_COLOR") == "" && e.Getenv("TERM") != "dumb"
}

// table prints rows below a head, in columns as wide as necessary. On a narrower terminal the widest columns are
// shortened, and cut text ends in an ellipsis. Cells may be coloured. Text of an agent must be cleaned before it
// becomes a cell.
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

// fit shortens the widest columns until all fit into total. Every column keeps a readable width.
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

// clean makes text of an agent or a repository safe for one line of a terminal.
func clean(s string, most int) string { return text.Field(s, most) }

// duration formats a duration of a setting.
func duration(d time.Duration) string { return config.FormatDuration(d) }
