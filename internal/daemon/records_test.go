package daemon

import (
	"testing"

	"muster/internal/event"
	"muster/internal/status"
)

func TestWhatAFileHasThatGrowsByItselfIsNoActivityWithoutARecord(t *testing.T) {
	t.Parallel()
	one := []event.Record{{State: event.RecordWorking}}
	for _, c := range []struct {
		ticks   bool
		records []event.Record
		want    bool
	}{{false, nil, true}, {false, one, true}, {true, nil, false}, {true, one, true}} {
		b := status.Batch{Source: status.Source{Task: "t1", Gen: 1, Name: "x", Ticks: c.ticks}, Records: c.records, Grew: 7}
		if got := (&records{}).batch(b).Grew; got != c.want {
			t.Errorf("ticks %t, %d records: activity %t, want %t", c.ticks, len(c.records), got, c.want)
		}
	}
}
