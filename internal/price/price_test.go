package price

import (
	"strings"
	"testing"
	"time"

	"muster/internal/event"
)

func TestOf_FindsTheRowOfAModel(t *testing.T) {
	t.Parallel()
	own := []event.Price{{Model: "claude-sonnet-5*", Input: 1}, {Model: "claude-*", Input: 2}, {Model: "house/model", Input: 3}}
	for _, tt := range []struct {
		model string
		own   []event.Price
		input float64 // 0: no price
	}{
		{"claude-sonnet-5", nil, 2},
		{"Claude-Sonnet-5", nil, 2},
		{"claude-sonnet-5-20260701", nil, 2},
		{"claude-sonnet-5[1m]", nil, 2},
		{"anthropic/claude-sonnet-5", nil, 2},
		{"us.anthropic.claude-sonnet-4-5-20250929-v1:0", nil, 3},
		{"claude-sonnet-4-5@20250929", nil, 3},
		{"gpt-5-2025-08-07", nil, 1.25},
		{"gpt-5.5", nil, 5},
		{"claude-sonnet-5-9", nil, 0}, // a model that is newer than the table is not guessed
		{"sonnet", nil, 0},
		{"", nil, 0},
		{"claude-sonnet-5-9", own, 1},
		{"claude-opus-5", own, 2},
		{"house/model", own, 3},
		{"model", own, 0},
		{"gpt-5", own, 1.25},
	} {
		p, ok := For(tt.own).Of(tt.model)
		if ok != (tt.input > 0) || p.Input != tt.input {
			t.Errorf("%q: %+v, %v, want input at $%v", tt.model, p, ok, tt.input)
		}
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pattern, name string
		want          bool
	}{
		{"a", "a", true},
		{"a", "ab", false},
		{"a*", "a", true},
		{"a*", "abc", true},
		{"*c", "abc", true},
		{"a*c", "abc", true},
		{"a*c", "ab", false},
		{"a*b*c", "a-b-c", true},
		{"a*b*c", "a-c", false},
		{"*", "", true},
		{"A*", "abc", true},
		{"ab*b", "ab", false},
	} {
		if got := Matches(tt.pattern, tt.name); got != tt.want {
			t.Errorf("Matches(%q, %q) = %v", tt.pattern, tt.name, got)
		}
	}
}

// TestTheTableIsWhole reads every line of the file: a row that cannot be read would be a model without a price.
func TestTheTableIsWhole(t *testing.T) {
	t.Parallel()
	lines := 0
	for line := range strings.Lines(file) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		lines++
		row, ok := parseRow(strings.TrimSuffix(line, "\n"))
		if !ok {
			t.Errorf("no row: %q", line)
			continue
		}
		if _, err := time.Parse(time.DateOnly, row.Date); err != nil || row.Source == "" {
			t.Errorf("%s: date %q, source %q", row.Model, row.Date, row.Source)
		}
		if row.Input <= 0 || row.Output <= 0 || row.CacheRead <= 0 || row.CacheWrite <= 0 || row.Output > 1000 {
			t.Errorf("%s: %+v", row.Model, row.Price)
		}
	}
	if len(Rows()) != lines || lines < 50 {
		t.Errorf("%d rows of %d lines", len(Rows()), lines)
	}
}
