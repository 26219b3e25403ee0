package boot

import (
	"slices"
	"testing"
	"time"

	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/store"
)

func TestSaveEnv_KeepsWhatOrdersNameAndNothingElse(t *testing.T) {
	t.Parallel()
	h := bins(t)
	db, err := store.Open(t.Context(), h.DB(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := db.Request(t.Context(), func(tx *store.Tx) error { // by a version that kept no list of names
		_, err := tx.Append("t1", 0, event.DispatchRequested{Spec: event.Spec{Name: "old", EnvFrom: []string{"OLD_KEY"}}})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	f := Fleet{Home: h, Caller: Caller{Now: time.Now, Environ: []string{"PATH=/bin", "OLD_KEY=1", "NEW_KEY=2", "SECRET=3"}}}
	if err := f.saveEnv(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	if want := []string{"PATH=/bin", "OLD_KEY=1"}; !slices.Equal(f.Saved, want) {
		t.Errorf("saved %v, want %v", f.Saved, want)
	}
	for range 2 {
		if err := f.NeedEnv([]string{"NEW_KEY"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.saveEnv(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	saved, err := environ.Load(h.Env())
	if want := []string{"PATH=/bin", "OLD_KEY=1", "NEW_KEY=2"}; err != nil || !slices.Equal(saved, want) {
		t.Errorf("saved %v (%v), want %v", saved, err, want)
	}
}
