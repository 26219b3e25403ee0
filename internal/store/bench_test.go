package store_test

import (
	"fmt"
	"testing"

	"muster/internal/event"
	"muster/internal/store"
)

// filled returns a log with many live tasks.
func filled(b *testing.B, n int) *store.Store {
	b.Helper()
	s := openAt(b, newPath(b), store.Options{})
	if err := s.Request(b.Context(), func(tx *store.Tx) error {
		for i := range n {
			spec := event.Spec{Name: fmt.Sprint("task ", i), Summary: "make it work", Repo: "/home/me/src/project", Agent: "sim", Base: "main"}
			if _, err := tx.Append(tx.NewTaskID(), 0, event.DispatchRequested{Spec: spec, Prompt: "do it"}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	return s
}

func BenchmarkUpdateWithOneEvent(b *testing.B) {
	for _, durable := range []bool{false, true} {
		b.Run(fmt.Sprintf("durable=%v", durable), func(b *testing.B) {
			s := filled(b, 1000)
			w, err := s.NewWriter(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if err := w.Update(b.Context(), durable, func(tx *store.Tx) error {
					_, err := tx.Append("t500", 1, event.TaskMoved{From: event.Queued, To: event.Working, Rule: "bench"})
					return err
				}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkLiveThousand(b *testing.B) {
	s := filled(b, 1000)
	w, err := s.NewWriter(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := w.Update(b.Context(), false, func(tx *store.Tx) error { _ = tx.Live(); return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkListThousand(b *testing.B) {
	s := filled(b, 1000)
	for b.Loop() {
		if _, err := s.ListJSON(b.Context(), store.ListFilter{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpenAndListThousand measures `muster ls --json` without the start of its process.
func BenchmarkOpenAndListThousand(b *testing.B) {
	path := filled(b, 1000).Path()
	for b.Loop() {
		s, err := store.Open(b.Context(), path, store.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.ListJSON(b.Context(), store.ListFilter{}); err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
