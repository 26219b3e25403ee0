package e2e

import (
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"muster/internal/event"
	"muster/internal/life"
	"muster/internal/testkit/hub"
)

// TestWorkWaitsForItsRemoteWithoutASlot pushes to a server that is down. The task keeps its work and no slot until the
// server is back.
func TestWorkWaitsForItsRemoteWithoutASlot(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.userConfig("[fleet]\nmax_agents = 1\nmin_free_disk = 1\nmin_free_memory = 1\n")
	program, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	h := hub.Start(t, program)
	h.Repo("widget")
	f.git("config", "credential.helper", "!f() { echo username=x; echo password="+hub.Token+"; }; f")
	f.git("remote", "add", "origin", h.URL+"/widget.git")
	h.Break(func(*http.Request) hub.Fault { return hub.Unavailable })
	id := f.dispatch("write a.txt <<good\ndone", "--publish", "push")
	f.until(id, "waits for its remote", func(t life.Task) bool { return t.AwaitsRoom() })
	other := f.dispatch("write b.txt <<good\ndone", "--publish", "branch") // takes the one slot
	f.reaches(other, event.Done)
	if got := f.task(id); got.State != event.Publishing || got.Published != nil { // by now it may have the slot, to try again
		t.Errorf("%s is %s, published %+v", id, got.State, got.Published)
	}
	if why := f.must("why", string(id)); !strings.Contains(why, "the remote cannot be used now") || !strings.Contains(why, "503") {
		t.Errorf("why says nothing of the remote:\n%s", why)
	}
	h.Break(nil)
	f.reaches(id, event.Done)
	if n := len(h.Pushes("widget")); n != 1 {
		t.Errorf("%d updates on the server, want 1: %v", n, h.Pushes("widget"))
	}
}
