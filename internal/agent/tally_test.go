package agent

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/event"
)

func TestTally_CountsEachAnswerOnceWithItsLargestNumbers(t *testing.T) {
	t.Parallel()
	tally := NewTally(event.Spec{Prices: []event.Price{{Model: "big", Input: 2, Output: 10, CacheRead: 0.2, CacheWrite: 2.5}}})
	first := event.Usage{Model: "big", InputTokens: 1000, OutputTokens: 1, CacheReadTokens: 500, CacheWriteTokens: 300, CacheWrite1hTokens: 100}
	last := first
	last.OutputTokens = 400
	for _, u := range []event.Usage{first, last, first, last} { // its blocks while it was streamed, and the same when it was resumed
		tally.Count("a1", u)
	}
	tally.CountAside("a2", event.Usage{Model: "small", InputTokens: 50}) // a sub-agent of another model
	want := event.Usage{
		InputTokens: 1050, OutputTokens: 400, CacheReadTokens: 500, CacheWriteTokens: 300, CacheWrite1hTokens: 100,
		CostUSD: (1000*2 + 400*10 + 500*0.2 + 200*2.5 + 100*4) / 1e6, Turns: 2, Model: "big", Unpriced: "small",
	}
	if d := cmp.Diff(want, tally.Sum()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestTally_SumDoesNotDependOnTheOrder(t *testing.T) {
	t.Parallel()
	answers := map[string]event.Usage{}
	for i := range 50 {
		answers[string(rune('a'+i))] = event.Usage{Model: "m", InputTokens: int64(i*i + 1), OutputTokens: int64(i), CostUSD: 0.1 * float64(i)}
	}
	a, b := NewTally(event.Spec{}), NewTally(event.Spec{})
	for id, u := range answers {
		a.Count(id, u)
	}
	for id, u := range answers { // in another order
		b.Count(id, u)
	}
	if d := cmp.Diff(a.Sum(), b.Sum()); d != "" {
		t.Errorf("the sums differ:\n%s", d)
	}
}

func TestTally_PrefersTheAgentsOwnCost(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		own  []event.Price
		u    event.Usage
		cost float64
		lack string
	}{
		{"the agent's own", nil, event.Usage{Model: "claude-sonnet-5", OutputTokens: 1e6, CostUSD: 3}, 3, ""},
		{"the built-in table", nil, event.Usage{Model: "claude-sonnet-5", OutputTokens: 1e6}, 10, ""},
		{"the configuration's price", []event.Price{{Model: "claude-*", Output: 7}}, event.Usage{Model: "claude-sonnet-5", OutputTokens: 1e6, CostUSD: 3}, 7, ""},
		{"none", nil, event.Usage{Model: "house model", OutputTokens: 1e6}, 0, "house_model"},
		{"no name", nil, event.Usage{OutputTokens: 1e6}, 0, "unknown"},
		{"an answer that the agent made up", nil, event.Usage{Model: "<synthetic>"}, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tally := NewTally(event.Spec{Prices: tt.own})
			tally.Count("a", tt.u)
			if got := tally.Sum(); got.CostUSD != tt.cost || got.Unpriced != tt.lack {
				t.Errorf("$%v, without a price: %q; want $%v, %q", got.CostUSD, got.Unpriced, tt.cost, tt.lack)
			}
		})
	}
}

func TestTally_DropsNumbersThatNoAnswerCanHave(t *testing.T) {
	t.Parallel()
	tally := NewTally(event.Spec{})
	for i, u := range []event.Usage{
		{InputTokens: -1}, {OutputTokens: math.MaxInt64}, {CacheReadTokens: 1 << 50}, {CostUSD: math.Inf(1)}, {CostUSD: math.NaN()}, {CostUSD: -2},
	} {
		tally.Count(string(rune('a'+i)), u)
	}
	tally.Count("", event.Usage{InputTokens: 5}) // no id: it might be counted twice
	if got := tally.Sum(); got != (event.Usage{}) {
		t.Errorf("it counted %+v", got)
	}
}
