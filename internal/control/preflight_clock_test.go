package control

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"muster/internal/boot"
	"muster/internal/event"
	"muster/internal/home"
	"muster/internal/store"
)

func TestServerSkew_ReadsTheDateOfAnyAnswer(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{0, 2 * time.Minute, -time.Hour} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(http.StatusFound)
		}))
		got, err := serverSkew(t.Context(), s.URL)
		if err != nil || (got-off).Abs() > 5*time.Second {
			t.Errorf("a server that is %v ahead is found %v ahead (%v)", off, got, err)
		}
		s.Close()
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header()["Date"] = nil }))
	defer s.Close()
	if _, err := serverSkew(t.Context(), s.URL); err == nil {
		t.Error("a server without a date has a clock")
	}
}

func TestPreflightClock_NoticesThatItWasSetBack(t *testing.T) {
	t.Parallel()
	db, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "muster.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // only read
	err = db.Request(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Append("", 0, event.UpRequested{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for behind, want := range map[time.Duration]string{0: LevelOK, time.Hour: LevelError} {
		f := boot.Fleet{Home: home.Dir(t.TempDir()), Caller: boot.Caller{Now: func() time.Time { return time.Now().Add(-behind) }}}
		if got := (&Control{}).preflightClock(t.Context(), f, db, nil); len(got) != 1 || got[0].Level != want {
			t.Errorf("%v behind the log: %+v", behind, got)
		}
	}
}

func TestDiskSkew_OfThisMachineIsNone(t *testing.T) {
	t.Parallel()
	if got, err := diskSkew(t.TempDir()); err != nil || got.Abs() > time.Second {
		t.Errorf("%v, %v", got, err)
	}
}
