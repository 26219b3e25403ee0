package price

import (
	"bufio"
	_ "embed"
	"strconv"
	"strings"
	"sync"

	"muster/internal/event"
	"muster/internal/text"
)

// Row is a price of the built-in table.
type Row struct {
	event.Price
	Date   string // on which the source had it, YYYY-MM-DD
	Source string
}

//go:embed prices.tsv
var file string

// rows is the built-in table by the names of the models. It is read at the first use: hooks start the program at each
// tool call, and price nothing.
var rows = sync.OnceValue(func() map[string]Row {
	all := map[string]Row{}
	for lines := bufio.NewScanner(strings.NewReader(file)); lines.Scan(); {
		if row, ok := parseRow(lines.Text()); ok {
			all[row.Model] = row
		}
	}
	return all
})

// parseRow reads a line of the table; false for comments.
func parseRow(line string) (Row, bool) {
	f := strings.Split(line, "\t")
	if strings.HasPrefix(line, "#") || len(f) != 7 {
		return Row{}, false
	}
	var usd [4]float64
	for i := range usd {
		n, err := strconv.ParseFloat(f[1+i], 64)
		if err != nil {
			return Row{}, false
		}
		usd[i] = n
	}
	return Row{Price: event.Price{Model: f[0], Input: usd[0], Output: usd[1], CacheRead: usd[2], CacheWrite: usd[3]}, Date: f[5], Source: f[6]}, true
}

// Table is the built-in table with rows of the configuration before it.
type Table struct{ own []event.Price }

// For returns the table for a task whose configuration has prices of its own.
func For(own []event.Price) Table { return Table{own: own} }

// Of returns the price of a model; false if it is not known. Of the configuration's rows the longest matching name
// wins, and each of them goes before the built-in ones.
func (t Table) Of(model string) (event.Price, bool) {
	names := namesOf(model)
	if p, ok := t.ownOf(names); ok {
		return p, true
	}
	for _, name := range names {
		if row, ok := rows()[name]; ok {
			return row.Price, true
		}
	}
	return event.Price{}, false
}

// Own reports whether the price of a model is the configuration's.
func (t Table) Own(model string) bool {
	_, own := t.ownOf(namesOf(model))
	return own
}

// ownOf returns the configuration's price of a model with these names; of several rows the longest matching name wins.
func (t Table) ownOf(names []string) (best event.Price, found bool) {
	for _, p := range t.own {
		for _, name := range names {
			if (!found || len(p.Model) > len(best.Model)) && Matches(p.Model, name) {
				best, found = p, true
			}
		}
	}
	return best, found
}

// What services and agents add to the name of a model: where it is served, its date, the size of its context.
var (
	served  = text.Pattern(`^(.*/)?(([a-z]{2,6}\.)?(anthropic|openai|google|meta|mistral|deepseek)\.)?`)
	variant = text.Pattern(`(\[[^\]]*\]|-v\d+(:\d+)?|[-@]\d{8}|-\d{4}-\d{2}-\d{2})$`)
)

// namesOf returns the names under which a model is looked for: its own, then that without what services add.
func namesOf(model string) []string {
	model = strings.ToLower(model)
	names := []string{model}
	short := served().ReplaceAllString(model, "")
	for range 3 {
		if short != names[len(names)-1] {
			names = append(names, short)
		}
		short = variant().ReplaceAllString(short, "")
	}
	if short != names[len(names)-1] {
		names = append(names, short)
	}
	return names
}

// Matches reports whether a pattern matches the whole of a name, ignoring case; * matches any characters.
func Matches(pattern, name string) bool {
	parts := strings.Split(strings.ToLower(pattern), "*")
	name, ok := strings.CutPrefix(strings.ToLower(name), parts[0])
	if !ok || len(parts) == 1 {
		return ok && name == ""
	}
	last := parts[len(parts)-1]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(name, part)
		if i < 0 {
			return false
		}
		name = name[i+len(part):]
	}
	return strings.HasSuffix(name, last)
}

// hour is how many times the price of input a token costs that a cache keeps for an hour.
const hour = 2

// NanoUSD returns the cost of an answer in billionths of a dollar: as an integer, so that sums do not depend on the order.
func NanoUSD(p event.Price, u event.Usage) int64 {
	perMillion := float64(u.InputTokens)*p.Input + float64(u.OutputTokens)*p.Output + float64(u.CacheReadTokens)*p.CacheRead +
		float64(u.CacheWriteTokens-u.CacheWrite1hTokens)*p.CacheWrite + float64(u.CacheWrite1hTokens)*p.Input*hour
	return int64(perMillion*1e3 + 0.5)
}

// Rows returns the built-in table, in no order.
func Rows() []Row {
	out := make([]Row, 0, len(rows()))
	for _, row := range rows() {
		out = append(out, row)
	}
	return out
}
