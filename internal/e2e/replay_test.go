package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"muster/internal/control"
	"muster/internal/event"
)

// screenOf returns what a recording shows, with its times in seconds in the order of the events.
func (f *Fleet) screenOf(args ...string) (shown string, times []float64) {
	f.t.Helper()
	var b strings.Builder
	for i, l := range strings.Split(strings.TrimSpace(f.must(append([]string{"replay"}, args...)...)), "\n") {
		if i == 0 {
			var head struct{ Version, Width, Height int }
			if err := json.Unmarshal([]byte(l), &head); err != nil || head.Version != 2 || head.Width < 1 || head.Height < 1 {
				f.t.Fatalf("not the header of an asciicast: %s", l)
			}
			continue
		}
		var at float64
		var kind, data string
		if err := json.Unmarshal([]byte(l), &[]any{&at, &kind, &data}); err != nil || kind != "o" {
			f.t.Fatalf("not an event: %s", l)
		}
		b.WriteString(data)
		times = append(times, at)
	}
	return b.String(), times
}

func TestReplayHasWhatWasShownWhileNobodyWasThere(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.up()
	// What it prints besides its words would have a terminal answer, as if the person typed, and change the clipboard.
	f.write(f.shared+"/agent.sh", `
if [ "$MUSTER_GEN" != 1 ]; then printf 'second try\n'; echo made >made.txt; exec sleep 1; fi
printf '\033]52;c;cm0gLXJm\007\033[6n\033[c\033[32mgreen before\033[0m\n'
while ! test -e "`+f.shared+`/go-on"; do sleep 0.05; done
printf '\033[31mred after\033[0m\n'; sleep 1; exit 7
`)
	id := f.dispatchPrompt("make it", "--command", "sh "+f.shared+"/agent.sh", "--no-checks")
	f.eventually("the first words are recorded", func() bool {
		out := f.run("replay", string(id), "--json")
		return out.exit == 0 && strings.Contains(out.out, "green before")
	})
	f.kill(f.only("supervise"))
	f.write(f.shared+"/go-on", "")
	f.reaches(id, event.Done)
	f.eventually("the recorders have ended with their agents", func() bool { return len(f.playing("record")) == 0 })

	shown, times := f.screenOf(string(id), "--gen", "1", "--out", "-")
	before, after := strings.Index(shown, "\x1b[32mgreen before\x1b[0m\r\n"), strings.Index(shown, "\x1b[31mred after\x1b[0m\r\n")
	if before < 0 || after < before {
		t.Errorf("the recording has %q", shown)
	}
	for i := range times {
		if times[i] < 0 || i > 0 && times[i] < times[i-1] {
			t.Errorf("the times are %v", times)
		}
	}
	for _, never := range []string{"\x1b]", "\x1b[6n", "\x1b[c", "second try"} {
		if strings.Contains(shown, never) {
			t.Errorf("the recording has %q: %q", never, shown)
		}
	}
	if shown, _ := f.screenOf(string(id), "--json"); !strings.Contains(shown, "second try") {
		t.Errorf("the newest generation has %q", shown)
	}
	var all []control.Recording
	if err := json.Unmarshal([]byte(f.must("replay", string(id), "--list", "--json")), &all); err != nil || len(all) != 2 {
		t.Fatalf("the list is %+v (%v)", all, err)
	}
	for i, r := range all {
		if r.Gen != i+1 || r.Running || !r.Whole || r.Bytes == 0 || r.Began.IsZero() || r.Ended.Before(r.Began) {
			t.Errorf("the list has %+v", r)
		}
	}

	// On a person's terminal, which is as it was, also after Ctrl-C, and to which nothing was typed.
	s := f.terminal("100", "20")
	s.shows("ready>$")
	modes := s.modes()
	s.keys(f.command("replay").Path+" replay "+string(id)+" --gen 1", "Enter")
	s.shows(`(?s)green before.*red after.* over `)
	s.keys("C-c")
	s.shows(`ready>$`)
	if got := s.modes(); got != modes {
		t.Errorf("the terminal is another one:\n%s\n%s", modes, got)
	}
	if got := s.screen(); strings.Contains(got, "green") || strings.Contains(got, ";1R") {
		t.Errorf("the terminal shows\n%s", got)
	}

	f.must("rm", string(id), "--force")
	f.eventually("the recordings are gone with the task", func() bool {
		out := f.run("replay", string(id))
		return out.exit == 3 && strings.Contains(out.err, "were removed with it")
	})
}
