package recipe

import (
	"encoding/json"

	"muster/internal/event"
)

// Match returns the first of an event's meanings whose conditions a payload has.
func Match(meanings []event.RecipeEvent, payload any) (event.RecipeEvent, bool) {
	for _, m := range meanings {
		if holds(m.When, payload) {
			return m, true
		}
	}
	return event.RecipeEvent{}, false
}

func holds(when map[string]any, payload any) bool {
	for pointer, want := range when {
		got, ok := At(payload, pointer)
		if !ok || canonical(got) != canonical(want) {
			return false
		}
	}
	return true
}

// canonical returns a value as JSON, in which 1 and 1.0 are the same.
func canonical(v any) string {
	if n, ok := v.(json.Number); ok {
		if f, err := n.Float64(); err == nil {
			v = f
		}
	}
	if n, ok := v.(int64); ok {
		v = float64(n)
	}
	b, _ := json.Marshal(v)
	return string(b)
}

// Means reports whether any of the meanings is one of want.
func Means(events map[string][]event.RecipeEvent, want ...event.RecipeMeaning) bool {
	for _, meanings := range events {
		for _, m := range meanings {
			for _, w := range want {
				if m.State == w {
					return true
				}
			}
		}
	}
	return false
}
