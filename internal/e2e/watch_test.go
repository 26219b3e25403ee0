package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"muster/internal/event"
)

// seen is what `muster status --json` reports about the watch.
type seen struct {
	Healthy    bool
	Judged     int
	Supervisor struct {
		Watched int
		Stuck   bool
	}
}

func (f *Fleet) status() (seen, ran) {
	f.t.Helper()
	r := f.run("status", "--json")
	var s seen
	if err := json.Unmarshal([]byte(r.out), &s); err != nil {
		f.t.Fatalf("muster status --json: %v\n%s%s", err, r.out, r.err)
	}
	return s, r
}

// age makes the supervisor's last look at the fleet older.
func (f *Fleet) age(by time.Duration) {
	f.t.Helper()
	data, err := os.ReadFile(f.home + "/pulse")
	if err != nil {
		f.t.Fatal(err)
	}
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.UseNumber() // nanoseconds since the boot exceed the precision of a float
	p := map[string]any{}
	if err := d.Decode(&p); err != nil {
		f.t.Fatal(err)
	}
	mono, err := p["mono"].(json.Number).Int64()
	if err != nil {
		f.t.Fatal(err)
	}
	p["mono"] = mono - int64(by)
	if data, err = json.Marshal(p); err != nil {
		f.t.Fatal(err)
	}
	f.write(f.home+"/pulse", string(data))
}

// TestTheWatcherIsWatched checks that a live supervisor without progress is distinguished from a healthy one.
func TestTheWatcherIsWatched(t *testing.T) {
	t.Parallel()
	var pings atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { pings.Add(1) }))
	defer server.Close()
	f := newFleet(t)
	f.userConfig("[fleet]\nmin_free_disk = 1\nmin_free_memory = 1\nmax_agents = 12\ndeadman_url = \"" + server.URL + "\"\n")
	ids := f.working(2)
	f.later(2 * time.Minute)
	f.eventually("both agents are judged", func() bool {
		s, r := f.status()
		return r.exit == 0 && s.Healthy && s.Judged == 2 && s.Supervisor.Watched == 2
	})
	f.eventually("the dead-man address is pinged", func() bool { return pings.Load() > 0 })
	if out := f.must("status"); !strings.Contains(out, "2 watched, 2 judged") {
		t.Errorf("muster status:\n%s", out)
	}

	pid := f.only("supervise")
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer syscall.Kill(pid, syscall.SIGCONT) //nolint:errcheck // it may be gone
	f.age(4 * time.Minute)
	if s, r := f.status(); r.exit != 1 || s.Healthy || !s.Supervisor.Stuck {
		t.Errorf("a stopped supervisor is %+v, exit %d", s, r.exit)
	}
	if r := f.run("status"); !strings.Contains(r.out, "NO PROGRESS") || !strings.Contains(r.out, "kill -9") {
		t.Errorf("muster status:\n%s", r.out)
	}

	// The hint that it prints helps.
	f.kill(pid)
	f.eventually("another one looks after both", func() bool {
		s, r := f.status()
		return r.exit == 0 && s.Healthy && s.Judged == 2 && !s.Supervisor.Stuck
	})
	for _, id := range ids {
		f.release(id, "go-on")
	}
	for _, id := range ids {
		if got := f.reaches(id, event.Done); got.Gen != 1 {
			t.Errorf("%s: generation %d", id, got.Gen)
		}
	}
}
