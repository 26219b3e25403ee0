package words

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/event"
	"muster/internal/store"
)

func TestCompare_IsTheOrderInWhichAPersonLooks(t *testing.T) {
	t.Parallel()
	at := func(minutes int) *time.Time {
		t := time.Date(2026, 11, 26, 1, minutes, 0, 0, time.UTC)
		return &t
	}
	asks := func(until *time.Time) *store.SummaryRequest { return &store.SummaryRequest{ID: "r", Until: until} }
	want := []store.Summary{
		{ID: "t9", State: event.Waiting, Request: asks(at(5))},  // expires first
		{ID: "t8", State: event.Waiting, Request: asks(at(10))}, //
		{ID: "t7", State: event.Waiting, Request: asks(nil)},    // has no end
		{ID: "t6", State: event.Parked, Request: asks(nil), ChangedAt: at(9)},
		{ID: "t4", State: event.Parked, ChangedAt: at(1)}, // waits the longest
		{ID: "t5", State: event.Parked, ChangedAt: at(2)},
		{ID: "t3", State: event.Failed, ChangedAt: at(0)},
		{ID: "t20", State: event.Stalled},
		{ID: "t21", State: event.Limited},
		{ID: "t10", State: event.Checking}, // those that go on stay in place, whatever they do
		{ID: "t11", State: event.Working},
		{ID: "t12", State: event.Preparing},
		{ID: "t31", State: event.Queued, Priority: 2},
		{ID: "t30", State: event.Queued},
		{ID: "t29", State: event.Blocked},
		{ID: "t41", State: event.Done, FinishedAt: at(9)}, // the newest first
		{ID: "t40", State: event.Done, FinishedAt: at(3)},
		{ID: "t50", State: event.Cancelled},
	}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, func(a, b store.Summary) int { return Compare(&a, &b) })
	if diff := cmp.Diff(ids(want), ids(got)); diff != "" {
		t.Error(diff)
	}
}

func ids(all []store.Summary) (out []event.TaskID) {
	for _, s := range all {
		out = append(out, s.ID)
	}
	return out
}

func TestMark_TellsStatesApartWithoutColour(t *testing.T) {
	t.Parallel()
	for _, s := range event.States() {
		sign, ascii := Mark(s)
		if sign == " " || len([]rune(sign)) != 1 || len(ascii) != 1 || ascii == " " {
			t.Errorf("%s: %q, %q", s, sign, ascii)
		}
		for _, other := range event.States() {
			// States that need the same of a person may share a sign.
			if a, b := Mark(other); (a == sign || b == ascii) && ToneOf(other) != ToneOf(s) {
				t.Errorf("%s and %s: %q, %q", s, other, sign, ascii)
			}
		}
	}
}

func TestWants_ShowsAllOfARequest(t *testing.T) {
	t.Parallel()
	ask := event.NewAsk("Bash", []byte("{\"command\":\"a\\u001b[2Jb\\nc\",\"n\":[1,2]}"))
	got := Wants(event.RequestOpened{Reason: event.WaitPermission, Tool: "Bash\x1b", Ask: &ask, Unjudged: "it is too long"})
	want := []string{"no rule decides it: it is too long", "Bash wants:", "  command:", `    a\x1b[2Jb`, "    c", "  n:", "    [1,2]"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
