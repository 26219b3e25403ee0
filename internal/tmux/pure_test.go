package tmux

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/fault"
)

func TestOnlyTheIdenticalGuardClosesABlock(t *testing.T) {
	t.Parallel()
	var s stream
	var blocks []block
	var notes []string
	for l := range strings.SplitSeq(strings.Join([]string{
		"%begin 100 7 0", "%end 100 7 0", "%session-changed $0 hub",
		"%begin 101 8 1", "%end 1 2 1", "%exit", "%error 101 8 0", "%begin 101 8 1", "%end 101 8", "%end 101 8 1 ", "%end 101 8 1",
		"%sessions-changed",
		"%begin 101 9 1", "can't find pane: %9", "%error 101 9 1",
	}, "\n"), "\n") {
		b, note := s.add(l)
		if b != nil {
			blocks = append(blocks, *b)
		}
		if note != "" {
			notes = append(notes, note)
		}
	}
	want := []block{
		{ours: false},
		{ours: true, lines: []string{"%end 1 2 1", "%exit", "%error 101 8 0", "%begin 101 8 1", "%end 101 8", "%end 101 8 1 "}},
		{ours: true, failed: true, lines: []string{"can't find pane: %9"}},
	}
	if d := cmp.Diff(want, blocks, cmp.AllowUnexported(block{})); d != "" {
		t.Errorf("blocks (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"%session-changed $0 hub", "%sessions-changed"}, notes); d != "" {
		t.Errorf("notes (-want +got):\n%s", d)
	}
}

func FuzzStream(f *testing.F) {
	f.Add("a\n%end 1 2 1\n%begin 5 5 1")
	f.Add("%error 5 5 1\n%exit")
	f.Fuzz(func(t *testing.T, screen string) {
		if strings.Contains(screen, "5 50 1") {
			return // the only text that could end the block
		}
		var s stream
		var got *block
		lines := append(append([]string{"%begin 5 50 1"}, strings.Split(screen, "\n")...), "%end 5 50 1")
		for i, l := range lines {
			b, note := s.add(l)
			if note != "" || (b != nil) != (i == len(lines)-1) {
				t.Fatalf("line %d %q of a block: block %v, note %q", i, l, b, note)
			}
			got = b
		}
		if !slices.Equal(got.lines, strings.Split(screen, "\n")) {
			t.Errorf("got %q, want %q", got.lines, screen)
		}
	})
}

func TestVersionsAreReadAndOrdered(t *testing.T) {
	t.Parallel()
	order := []string{"tmux 2.9a\n", "3.1c", "tmux 3.2-rc", "3.2", "3.2a", "tmux 3.3a", "next-3.4", "3.10", "master"}
	for i, text := range order {
		v, err := ParseVersion(text)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			continue
		}
		before, _ := ParseVersion(order[i-1])
		if !before.Less(v) || v.Less(before) || v.Less(v) {
			t.Errorf("%s is not after %s", v, before)
		}
	}
	if v, err := ParseVersion("tmux 3.3a"); err != nil || v.String() != "3.3a" {
		t.Errorf("got %v %v, want 3.3a", v, err)
	}
	for _, bad := range []string{"", "tmux", "tmux x.y", "screen 4.0 b"} {
		if v, err := ParseVersion(bad); err == nil {
			t.Errorf("%q is %v, want an error", bad, v)
		}
	}
}

func TestPreflightNamesWhatItFoundAndHowToInstall(t *testing.T) {
	t.Parallel()
	script := func(name, body string) []string {
		dir := t.TempDir()
		for _, n := range []string{name, "dnf"} {
			if err := os.WriteFile(filepath.Join(dir, n), []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		return []string{"PATH=" + dir}
	}
	for _, c := range []struct {
		what string
		env  []string
		want string
	}{
		{"missing", script("nothing", ""), "not installed"},
		{"too old", script("tmux", "echo tmux 3.1c"), "tmux 3.1c"},
		{"no tmux", script("tmux", "echo hello"), "does not seem to be tmux"},
		{"broken", script("tmux", "exit 3"), "does not run"},
	} {
		_, err := Preflight(t.Context(), c.env)
		if fault.CodeOf(err) != fault.Conflict || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want a conflict that says %q", c.what, err, c.want)
		}
		if c.what == "missing" || c.what == "too old" {
			if got := fault.HintOf(err); !strings.Contains(got, "dnf install tmux") {
				t.Errorf("%s: hint %q", c.what, got)
			}
		}
	}
	v, err := Preflight(t.Context(), []string{"PATH=" + os.Getenv("PATH")})
	if err != nil || v.Less(oldest) {
		t.Errorf("the real one: got %v %v", v, err)
	}
}

func TestTheClientIsOfTheServersVersion(t *testing.T) {
	t.Parallel()
	v33, v36 := Version{Major: 3, Minor: 3, Suffix: "a"}, Version{Major: 3, Minor: 6}
	broken := errors.New("broken")
	for _, c := range []struct {
		what           string
		installed, own string
		same           bool
		versions       map[string]any
		want           string
	}{
		{"same file", "I", "O", true, nil, "I"},
		{"upgraded", "I", "O", false, map[string]any{"I": v36, "O": v33}, "O"},
		{"rebuilt", "I", "O", false, map[string]any{"I": v33, "O": v33}, "I"},
		{"own not runnable", "I", "O", false, map[string]any{"I": v36, "O": broken}, "I"},
		{"installed broken", "I", "O", false, map[string]any{"I": broken, "O": v33}, "O"},
		{"uninstalled", "", "O", false, nil, "O"},
		{"no way to the own", "I", "", false, nil, "I"},
		{"nothing", "", "", false, nil, ""},
	} {
		got := chooseClient(c.installed, c.own, func(a, b string) bool { return c.same }, func(p string) (Version, error) {
			if err, ok := c.versions[p].(error); ok {
				return Version{}, err
			}
			return c.versions[p].(Version), nil
		})
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.what, got, c.want)
		}
	}
}

func TestUnreadEventsBecomeOneOverflow(t *testing.T) {
	t.Parallel()
	c := &Client{events: make(chan Event, EventCapacity)}
	const sent = 10*EventCapacity + 3
	for i := range sent {
		c.emit(Event{Kind: WindowClosed, Window: WindowID(fmt.Sprint("@", i))})
	}
	close(c.events)
	overflows, dropped, kept, last := 0, 0, 0, Event{}
	for e := range c.events {
		if e.Kind == Overflow {
			overflows++
			dropped += e.Dropped
		} else {
			kept++
		}
		last = e
	}
	if overflows != 1 || kept+dropped != sent {
		t.Errorf("got %d overflows, %d kept and %d dropped, want 1 and %d together", overflows, kept, dropped, sent)
	}
	if want := WindowID(fmt.Sprint("@", sent-1)); last.Window != want {
		t.Errorf("last event %+v, want %s", last, want)
	}
}

func TestEventsAreRead(t *testing.T) {
	t.Parallel()
	for note, want := range map[string]Event{
		"%sessions-changed":                          {Kind: SessionsChanged},
		"%session-renamed $1 new name":               {Kind: SessionsChanged},
		"%unlinked-window-close @7":                  {Kind: WindowClosed, Window: "@7"},
		"%window-close @7":                           {Kind: WindowClosed, Window: "@7"},
		"%pane-mode-changed %3":                      {Kind: ModeChanged, Pane: "%3"},
		"%client-session-changed /dev/pts/1 $2 t1-x": {Kind: ClientAttached, Client: "/dev/pts/1", Session: "$2"},
		"%client-detached /dev/pts/1":                {Kind: ClientDetached, Client: "/dev/pts/1"},
		"%output %1 hello":                           {},
		"%unlinked-window-close x":                   {},
		"":                                           {},
	} {
		got, ok := parseEvent(note)
		if ok != (want.Kind != 0) || (ok && got != want) {
			t.Errorf("%q: got %+v %v, want %+v", note, got, ok, want)
		}
	}
}

func TestPanesAreReadOnceAndForgeriesPassedOver(t *testing.T) {
	t.Parallel()
	row := func(f ...string) string { return strings.Join(f, "\t") }
	got := parsePanes([]string{
		row("%1", "@1", "$0", "11", "0", "", "", "0", "1", "120", "40", "", "", encode("hub"), "", "hub", "hub"),
		row("%2", "@2", "$1", "22", "1", "3", "", "0", "0", "80", "24", encode("t1"), encode("4"), encode("agent"), encode("[m m1] hi"), "t1-a", "a\tb"),
		row("%2", "@2", "$2", "22", "1", "3", "", "0", "2", "80", "24", encode("t1"), encode("4"), encode("agent"), encode("[m m1] hi"), "t1-b", "a\tb"),
		row("%3", "@3", "$1", "33", "1", "", "KILL", "1", "0", "80", "24", "zz", "xx", "", "", "s", "w"),
		row("%4", "@4", "$1", "44", "1", "", "9", "2", "0", "80", "24", "", "", "", "", "s", "w"),
		row("%5", "@5", "$1", "55", "1", "", "", "", "0", "80", "24", "", "", "", "", "s", "w"),
		"%6 forged", row("6", "@4", "$1", "44", "1", "", "9", "2", "0", "80", "24", "", "", "", "", "s", "w"), "",
	}, "$0")
	want := []Pane{
		{ID: "%1", Window: "@1", Session: "$0", PID: 11, Columns: 120, Rows: 40, Role: "hub", SessionName: "hub", WindowName: "hub"},
		{
			ID: "%2", Window: "@2", Session: "$1", PID: 22, Dead: true, StatusKnown: true, Status: 3, Attached: 2,
			Columns: 80, Rows: 24, Task: "t1", Gen: 4, Role: "agent", Pasted: "[m m1] hi", SessionName: "t1-a", WindowName: "a\tb",
		},
		{ID: "%3", Window: "@3", Session: "$1", PID: 33, Dead: true, StatusKnown: true, Signal: 9, InMode: true, Columns: 80, Rows: 24, SessionName: "s", WindowName: "w"},
		{ID: "%4", Window: "@4", Session: "$1", PID: 44, Dead: true, StatusKnown: true, Signal: 9, InMode: true, Columns: 80, Rows: 24, SessionName: "s", WindowName: "w"},
		{ID: "%5", Window: "@5", Session: "$1", PID: 55, Dead: true, Columns: 80, Rows: 24, SessionName: "s", WindowName: "w"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("panes (-want +got):\n%s", d)
	}
}

func TestWindowsFitWhoLooksAtThem(t *testing.T) {
	t.Parallel()
	row := func(f ...string) string { return strings.Join(f, "\t") }
	got := sizeChanges([]string{
		row("$0", "1", "@0", "120", "40", "manual", "6875"), // the hub: only muster is attached
		row("$1", "0", "@1", "120", "40", "manual", "61"),   // nothing to change
		row("$1", "0", "@2", "60", "14", "latest", "61"),    // still has the size of a client that left
		row("$2", "1", "@3", "120", "40", "manual", "61"),   // a person has attached
		row("$2", "1", "@4", "60", "14", "latest", "61"),    // and already has the right size
		row("$3", "0", "@5", "80", "24", "latest", ""),      // a person's own session
		row("$4", "0", "@6", "60", "14", "latest", "61"),    // attached through another session of a group
		row("$5", "1", "@6", "60", "14", "latest", "61"),
	}, "$0", 120, 40)
	want := map[WindowID][]string{
		"@2": {"resize-window", "-t", "@2", "-x", "120", "-y", "40"},
		"@3": {"set-option", "-w", "-t", "@3", "window-size", "latest"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("changes (-want +got):\n%s", d)
	}
}
