package tmux_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"muster/internal/testkit/await"
	"muster/internal/tmux"
	"muster/internal/tmux/tmuxtest"
)

// recording returns a window whose pane is recorded into dir: the words of the recorder, and what the pane shows.
func recording(dir, name string, gen int, script string, odd ...string) tmux.OpenSpec {
	const record = `for a; do printf '%s\000' "$a"; done >"$0.part"; mv "$0.part" "$0.words"; exec cat >"$0.shown"`
	return tmux.OpenSpec{
		Session: name, Window: "agent", Dir: dir, Argv: []string{"sh", "-c", script}, Task: name, Gen: gen,
		Record: append([]string{"sh", "-c", record, filepath.Join(dir, fmt.Sprint(name, ".", gen))}, odd...),
	}
}

func mustOpen(t *testing.T, c *tmux.Client, spec tmux.OpenSpec) tmux.Pane {
	t.Helper()
	p, err := c.Open(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRecorderGetsItsWordsAndEverythingThatIsShown(t *testing.T) {
	t.Parallel()
	c, _, dir := tmuxtest.Connect(t)
	odd := []string{"", " ", ";", "x;", "'", `"`, `\`, "$HOME", "~", "#{pid}", "#(touch no)", "##", "#[x]", "##[x]", "a\nb", "\t", "é", "%1", "%Y-%m", "%%", "-x", "--", "{", "`id`"}
	p := mustOpen(t, c, recording(dir, "t1", 1, `printf 'first\033[31m red\n'; read x; printf 'last'; exit 3`, odd...))
	words := strings.Split(content(t, filepath.Join(dir, "t1.1.words"), func(string) bool { return true }), "\x00")
	if got, want := strings.Join(words[:min(len(words), len(odd))], "\x00"), strings.Join(odd, "\x00"); got != want {
		t.Errorf("the recorder got %q, want %q", got, want)
	}
	added := strings.Join(words[min(len(words), len(odd)):], " ")
	if !regexp.MustCompile(fmt.Sprintf(`^%d /dev/\S+ \d+x\d+ $`, p.PID)).MatchString(added) {
		t.Errorf("tmux added %q, want the pid %d, a terminal and its size", added, p.PID)
	}
	shown := filepath.Join(dir, "t1.1.shown")
	content(t, shown, func(s string) bool { return strings.HasPrefix(s, "first\x1b[31m red\r\n") })
	do(t, c, "send-keys", "-t", string(p.ID), "Enter")
	content(t, shown, func(s string) bool { return strings.HasSuffix(s, "last") })
	await.Until(t, "the end of the program is known", func() bool {
		code, _, known, err := c.ExitStatus(t.Context(), p.ID)
		return err == nil && known && code == 3
	})

	next := mustOpen(t, c, recording(dir, "t1", 2, `echo again; exec sleep 1000`))
	if next.ID != p.ID {
		t.Errorf("the next generation is in pane %s, want %s", next.ID, p.ID)
	}
	content(t, filepath.Join(dir, "t1.2.shown"), func(s string) bool { return s == "again\r\n" })
	if b, err := os.ReadFile(shown); err != nil || strings.Contains(string(b), "again") {
		t.Errorf("the recording of the first generation has %q (%v)", b, err)
	}
}

func TestAPaneGoesOnWithoutItsRecorder(t *testing.T) {
	t.Parallel()
	c, _, dir := tmuxtest.Connect(t)
	missing := recording(dir, "t1", 1, `echo here; exec sleep 1000`)
	missing.Record = []string{filepath.Join(dir, "no such recorder")}
	p := mustOpen(t, c, missing)
	await.Until(t, "the program runs without a recorder", func() bool {
		return strings.Contains(strings.Join(do(t, c, "capture-pane", "-p", "-t", string(p.ID)), "\n"), "here")
	})

	spec := recording(dir, "t2", 1, `echo here; read x; i=0; while [ $i -lt 3000 ]; do echo "line $i of the flood"; i=$((i+1)); done; exit 4`)
	spec.Record = []string{"sh", "-c", `echo $$ >"$0.part"; mv "$0.part" "$0"; exec cat >/dev/null`, filepath.Join(dir, "pid")}
	p = mustOpen(t, c, spec)
	var pid int
	content(t, filepath.Join(dir, "pid"), func(s string) bool {
		_, err := fmt.Sscan(s, &pid)
		return err == nil
	})
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	do(t, c, "send-keys", "-t", string(p.ID), "Enter")
	await.Until(t, "the program has printed everything, and its end is known", func() bool {
		code, _, known, err := c.ExitStatus(t.Context(), p.ID)
		return err == nil && known && code == 4
	})
}

func TestAWindowBesideOthersIsRecorded(t *testing.T) {
	t.Parallel()
	c, _, dir := tmuxtest.Connect(t)
	open(t, c, dir, "t1", sleeper...)
	spec := recording(dir, "t1", 1, `read x; echo "beside $x"; exec sleep 1000`)
	spec.Window = "other"
	p := mustOpen(t, c, spec)
	do(t, c, "send-keys", "-t", string(p.ID), "others", "Enter")
	content(t, filepath.Join(dir, "t1.1.shown"), func(s string) bool { return strings.Contains(s, "beside others") })
}
