package control

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/event"
	"muster/internal/fault"
)

// TestStats_SumUpWhatHasEnded also counts what tasks used that were not done: it is a part of what a finished one took.
func TestStats_SumUpWhatHasEnded(t *testing.T) {
	t.Parallel()
	c := open(t)
	used := func(u event.Usage) event.Payload { return event.UsageRecorded{Conversation: "c", Usage: u} }
	queue(t, c, "a", used(event.Usage{Model: "m1", InputTokens: 100, CacheReadTokens: 900, CostUSD: 1}), event.SendRequested{Message: "m1", Text: "x"}, event.RetryRequested{}, moved(event.Done))
	queue(t, c, "b", used(event.Usage{Model: "m1", OutputTokens: 60, CostUSD: 2, Unpriced: "m9 m8"}), moved(event.Failed))
	queue(t, c, "c", used(event.Usage{Model: "m2", OutputTokens: 7}), moved(event.Cancelled))
	queue(t, c, "d", used(event.Usage{Model: "m1", OutputTokens: 7000}), moved(event.Working))
	got, err := Get(t.Context(), c, Stats{By: "model"})
	if err != nil {
		t.Fatal(err)
	}
	tokens, usd := int64(160), 3.0
	want := []StatsRow{
		{Model: "m1", Tasks: 2, Done: 1, Failed: 1, Interventions: 2, Tokens: 160, CostUSD: 3, TokensPerDone: &tokens, CostPerDone: &usd, Unpriced: []string{"m8", "m9"}},
		{Model: "m2", Tasks: 1, Cancelled: 1, Tokens: 7},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if all, err := Get(t.Context(), c, Stats{}); err != nil || len(all) != 2 || all[0].Week == "" {
		t.Errorf("%+v, %v", all, err)
	}
	if none, err := Get(t.Context(), c, Stats{Since: time.Now().Add(1000 * time.Hour)}); err != nil || len(none) != 0 {
		t.Errorf("%+v, %v", none, err)
	}
	if _, err := Get(t.Context(), c, Stats{By: "year"}); !fault.Is(err, fault.Usage) || fault.HintOf(err) == "" {
		t.Errorf("%v, want an error with a hint", err)
	}
	db, err := c.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	models, err := db.Unpriced(t.Context())
	if d := cmp.Diff([]string{"m8", "m9"}, models); err != nil || d != "" {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
}
