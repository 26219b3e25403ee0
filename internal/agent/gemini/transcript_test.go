package gemini

import (
	"testing"

	"muster/internal/event"
)

// TestTranscript_CountsEachAnswerOnceWithItsModelAndPrice reads lines of version 0.61.0: a line is repeated when its tools are known.
func TestTranscript_CountsEachAnswerOnceWithItsModelAndPrice(t *testing.T) {
	t.Parallel()
	l := setUpLaunch(t)
	l.Spec.Prices = []event.Price{{Model: "gemini-2.5-pro", Input: 2, Output: 10, CacheRead: 0.5}}
	book := subject().Book
	book.Open(t, l)
	answer := func(id, model string, more map[string]any) {
		line := map[string]any{"id": id, "type": "gemini", "content": "", "model": model, "tokens": map[string]any{
			"input": 1000, "output": 90, "cached": 200, "thoughts": 10, "tool": 0, "total": 1100,
		}}
		for k, v := range more {
			line[k] = v
		}
		appendLine(t, l, line)
	}
	answer("a1", "gemini-2.5-pro", nil)
	answer("a1", "gemini-2.5-pro", map[string]any{"toolCalls": []any{}})
	answer("a2", "another-model", nil)
	var got *event.Usage
	for range 2 { // as after a restart of the supervisor, the sum is the same
		sources := New().Sources(l, 0)
		recs, err := sources[0].Parse([]byte(`{"id":"a2","type":"gemini","model":"another-model","tokens":{"input":1000,"output":90,"cached":200,"thoughts":10}}`))
		if err != nil || len(recs) != 1 || recs[0].Usage == nil {
			t.Fatalf("%+v, %v", recs, err)
		}
		got = recs[0].Usage
		// 800 tokens of input at $2, 100 of output at $10, and 200 of the cache at $0.5 a million.
		want := event.Usage{InputTokens: 1600, OutputTokens: 200, CacheReadTokens: 400, Turns: 2, Model: "another-model", CostUSD: 0.0027, Unpriced: "another-model"}
		if *got != want {
			t.Errorf("the usage is %+v, want %+v", *got, want)
		}
	}
}
