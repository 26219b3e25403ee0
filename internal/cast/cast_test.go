package cast

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"muster/internal/home"
)

const task = "t3"

// recordTo records pieces of output as generation gen, with the limit of one recording.
func recordTo(t *testing.T, h home.Dir, gen int, limit int64, output ...string) Recording {
	t.Helper()
	w := begun(t, h, gen, limit, Size{120, 40})
	r := recorder{w: w, lost: new(atomic.Int64)}
	for i, o := range output {
		r.add(w.began.Add(time.Duration(i+1)*time.Second), []byte(o))
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	return one(t, h, gen)
}

// begun returns a recording of a generation that has begun.
func begun(t *testing.T, h home.Dir, gen int, limit int64, size Size) *writer {
	t.Helper()
	if err := os.MkdirAll(h.NewGen(task, gen).Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	w, err := create(Options{Path: Path(h, task, gen), Limit: limit, Size: size})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func one(t *testing.T, h home.Dir, gen int) Recording {
	t.Helper()
	all := Find(h, task, gen)
	i := slices.IndexFunc(all, func(r Recording) bool { return r.Gen == gen })
	if i < 0 {
		t.Fatalf("no recording of generation %d in %+v", gen, all)
	}
	return all[i]
}

func events(t *testing.T, r Recording) (out []Event) {
	t.Helper()
	for e, err := range r.Events() {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

func said(all []Event) string {
	var b strings.Builder
	for _, e := range all {
		if e.Kind == "o" {
			b.WriteString(e.Data)
		}
	}
	return b.String()
}

func TestRecordingHasWhatWasShownWithItsTimes(t *testing.T) {
	t.Parallel()
	h := home.Dir(t.TempDir())
	r := recordTo(t, h, 1, 0, "one\r\n", "\x1b[31mtwo\x1b[0m <&> \xc3", "\xa4\xff\r\n", "three")
	got := events(t, r)
	want := []Event{
		{time.Second, "o", "one\r\n"},
		{2 * time.Second, "o", "\x1b[31mtwo\x1b[0m <&> "},
		{3 * time.Second, "o", "ä\uFFFD\r\n"},
		{4 * time.Second, "o", "three"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("the recording has %q, want %q", got, want)
	}
	if !r.Whole || r.Size != (Size{120, 40}) || time.Since(r.Began) > time.Hour {
		t.Errorf("the recording is %+v", r)
	}
	st, err := os.Stat(Path(h, task, 1))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v (%v), want 0600", st.Mode(), err)
	}
}

func TestRecordingIsBoundedAndKeepsItsBeginningAndItsEnd(t *testing.T) {
	t.Parallel()
	h := home.Dir(t.TempDir())
	chance := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // any bytes will do
	var output []string
	for i := range 240 { // noise cannot be compressed, and half of it is no UTF-8, which makes it longer
		b := make([]byte, pieceSize)
		for j := range b {
			b[j] = byte(chance.Uint32())
		}
		output = append(output, fmt.Sprintf("\x1b[Hpiece %d\n", i), string(b))
	}
	r := recordTo(t, h, 1, LeastLimit, output...)
	var total int64
	for _, p := range parts(Path(h, task, 1)) {
		total += p.bytes
	}
	if total > LeastLimit || total != r.Bytes || total < LeastLimit/2 {
		t.Errorf("the recording has %d bytes, and says %d; the limit is %d", total, r.Bytes, LeastLimit)
	}
	all := events(t, r)
	shown := said(all)
	for _, want := range []string{"piece 0\n", "piece 1\n", "piece 238\n", "piece 239\n"} {
		if !strings.Contains(shown, want) {
			t.Errorf("the recording has no %q", want)
		}
	}
	if r.Whole || !slices.ContainsFunc(all, func(e Event) bool { return e.Kind == "m" && strings.Contains(e.Data, "not kept") }) {
		t.Error("the recording does not say that something is missing")
	}
	if !slices.IsSortedFunc(all, func(a, b Event) int { return int(a.At - b.At) }) {
		t.Error("the times are not in order")
	}
}

func TestRecordingsOfOlderGenerationsMakeRoom(t *testing.T) {
	t.Parallel()
	h := home.Dir(t.TempDir())
	var sizes []int64
	for gen := 1; gen <= 3; gen++ {
		sizes = append(sizes, recordTo(t, h, gen, 0, "something").Bytes)
	}
	makeRoom(h, task, 4, sizes[2]+sizes[1])
	var left []int
	for _, r := range Find(h, task, 4) {
		left = append(left, r.Gen)
	}
	if !slices.Equal(left, []int{2, 3}) {
		t.Errorf("recordings of the generations %v are left, want those of 2 and 3", left)
	}
}

func TestARecorderThatIsKilledLeavesWhatItHasWritten(t *testing.T) {
	t.Parallel()
	h := home.Dir(t.TempDir())
	w := begun(t, h, 1, 0, Size{80, 24})
	w.output(w.began, []byte("first\n"))
	w.flush(w.began)
	w.output(w.began, []byte(strings.Repeat("second ", 1000)))
	w.pack.flush()
	torn := w.pack.bytes()
	if _, err := w.file.WriteAt(torn[:len(torn)/2], w.written); err != nil { // half of a write, as a machine without power leaves it
		t.Fatal(err)
	}
	if got := said(events(t, one(t, h, 1))); !strings.HasPrefix(got, "first\n") {
		t.Errorf("the recording has %q", got)
	}
	if err := w.file.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAFullDiskLosesOutputAndTheRecordingSaysSo(t *testing.T) {
	t.Parallel()
	h := home.Dir(t.TempDir())
	w := begun(t, h, 1, 0, Size{80, 24})
	at := w.began
	w.output(at, []byte("before\n"))
	w.flush(at)
	good := w.file
	readOnly, err := os.Open(Path(h, task, 1))
	if err != nil {
		t.Fatal(err)
	}
	w.file = readOnly // a file that is open for reading refuses as a full disk does
	w.output(at, []byte("in memory\n"))
	if again := w.flush(at); again == 0 {
		t.Error("a write that failed is not tried again")
	}
	for range 1000 {
		w.output(at, bytes.Repeat([]byte("lost"), 1000))
	}
	if n := w.pack.len(); n > 1<<10 {
		t.Errorf("%d bytes wait in memory for a disk that is full", n)
	}
	if err := w.file.Close(); err != nil {
		t.Fatal(err)
	}
	w.file = good
	w.output(at.Add(retryAfter), []byte("after\n"))
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	all := events(t, one(t, h, 1))
	if got := said(all); got != "before\nin memory\nafter\n" {
		t.Errorf("the recording has %q", got)
	}
	if !slices.ContainsFunc(all, func(e Event) bool { return e.Kind == "m" && strings.Contains(e.Data, "4000000 bytes") }) {
		t.Errorf("the recording does not say what it lost: %q", all)
	}
}

// stuck is an input that has no end, as the terminal of a program whose children live on.
type stuck struct{ io.Reader }

func TestRecordEndsSoonAfterItsProgram(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in, out := io.Pipe()
	defer func() { _ = out.Close() }()
	ended := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- Record(stuck{in}, Options{Path: filepath.Join(dir, stem+ending), Size: Size{80, 24}, Ended: ended})
	}()
	_, _ = out.Write([]byte("the last words"))
	close(ended)
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the recorder goes on")
	}
	r := Recording{parts: parts(filepath.Join(dir, stem+ending)), Size: Size{80, 24}}
	if got := said(events(t, r)); got != "the last words" {
		t.Errorf("the recording has %q", got)
	}
}

func TestRecorderNotesTheSizeOfTheTerminal(t *testing.T) {
	t.Parallel()
	h := home.Dir(t.TempDir())
	size := Size{120, 40}
	w := begun(t, h, 1, 0, size)
	r := recorder{w: w, lost: new(atomic.Int64), o: Options{Look: func() (Size, bool) { return size, true }}}
	r.add(w.began.Add(time.Second), []byte("a"))
	size = Size{60, 15}
	r.add(w.began.Add(2*time.Second), []byte("b"))
	size = Size{0, 0} // what a terminal without a size says
	r.add(w.began.Add(3*time.Second), []byte("c"))
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	want := []Event{{time.Second, "o", "a"}, {2 * time.Second, "r", "60x15"}, {2 * time.Second, "o", "b"}, {3 * time.Second, "o", "c"}}
	if got := events(t, one(t, h, 1)); !slices.Equal(got, want) {
		t.Errorf("the recording has %q, want %q", got, want)
	}
}

// hostile is what a program may print to reach the person who looks at its recording, by what it would do.
var hostile = map[string]string{
	"the clipboard":              "\x1b]52;c;cm0gLXJm\x07",
	"the clipboard, asked for":   "\x1b]52;c;?\x1b\\",
	"the title":                  "\x1b]0;rm -rf ~\x07",
	"the title, reported":        "\x1b[21t",
	"a link":                     "\x1b]8;;file:///etc/passwd\x1b\\x\x1b]8;;\x1b\\",
	"colours, asked for":         "\x1b]11;?\x07",
	"attributes of the device":   "\x1b[c\x1b[>c\x1b[=c\x1b[0c\x1bZ",
	"the version of the device":  "\x1b[>q\x1b[>0q",
	"the place of the cursor":    "\x1b[6n\x1b[?6n\x1b[5n",
	"a mode, asked for":          "\x1b[?2026$p\x1b[4$p",
	"a setting, asked for":       "\x1bP$qm\x1b\\\x1bP+q544e\x1b\\",
	"the answerback":             "\x05",
	"a window":                   "\x1b[8;1;1t\x1b[2t",
	"the mouse":                  "\x1b[?1000h\x1b[?1003h\x1b[?1006h",
	"bracketed paste, focus":     "\x1b[?2004h\x1b[?1004h",
	"the keyboard":               "\x1b[>4;2m\x1b[>1u\x1b[=1u\x1b[?1h\x1b=",
	"a picture":                  "\x1bPq#0;2;0;0;0~-\x1b\\\x1b_Ga=T;AAAA\x1b\\",
	"a command of an emulator":   "\x1b]1337;File=inline=1:AAAA\x07\x1b]50;x\x07\x1bPtmux;\x1b\x1b]52;c;eA==\x07\x1b\\",
	"the history of the person":  "\x1b[3J",
	"a reset of the terminal":    "\x1bc\x1b[!p",
	"the same in C1":             "\u009d52;c;eA==\u009c\u009b6n\u0090q\u009c",
	"the same in C1, raw":        "\x9d52;c;eA==\x9c\x9b6n",
	"a printer":                  "\x1b[5i\x1b[?5i\x1b[4i",
	"a sequence without its end": "\x1b]52;c;",
	"a number without its end":   "\x1b[" + strings.Repeat("9", 5000) + "n\x1b[99999999999999999999b\x1b[4294967301n",
	"a sequence within another":  "\x1b[6\x1b[6n\x1b]0;\x1b[6n\x18\x1b[6\x18n",
	"letters that are not seen":  "a\u202eb\u2066c\ufeff\U000e0041",
	"shift out":                  "\x0e\x0f\x1b(U\x1b%G\x1b#8",
	"margins and tabs":           "\x1b[?69h\x1b[5;10s\x1bH\x1b[3g",
}

// harmless matches all that may reach a terminal.
var harmless = regexp.MustCompile(`^(?:[^\x00-\x1f\x7f-\x9f]|[\x08\t\n\r]|\x1b[78DEM]|\x1b\([0B]|\x1b\[\?(?:6|7|25|1049)[hl]|\x1b\[4[hl]|\x1b\[[0-9;:]*m|\x1b\[[0-9]{0,4}[A-GLMPSTXZ@Iabde` + "`" + `K]|\x1b\[[0-9]{0,4}(?:;[0-9]{0,4})?[Hfr]|\x1b\[[su]|\x1b\[[012]?J)*$`)

func TestFilterLetsNothingThroughThatATerminalAnswersOrKeeps(t *testing.T) {
	t.Parallel()
	for what, s := range hostile {
		if got := NewFilter().Output("before" + s); !harmless.MatchString(got) || !strings.HasPrefix(got, "before") {
			t.Errorf("%s: %q becomes %q", what, s, got)
		}
		whole := NewFilter() // the same in pieces of one byte, and what follows is still drawn
		var b strings.Builder
		for _, r := range s {
			b.WriteString(whole.Output(string(r)))
		}
		b.WriteString(whole.Output("\x18\x1b\\after"))
		if got := b.String(); !harmless.MatchString(got) || !strings.HasSuffix(got, "after") {
			t.Errorf("%s in pieces: %q becomes %q", what, s, got)
		}
	}
	for _, s := range []string{
		"\x1b[1;38;5;200;48:2::1:2:3mcolour\x1b[m", "\x1b[2;3H\x1b[K\x1b[2J\x1b[10A", "ä 漢 🙂 e\u0301\r\n\t", "\x1b[?25l\x1b[?1049h\x1b[?7l", "\x1b(0lqk\x1b(B\x1b7\x1b8",
		"\x1b[3;10r\x1bM\x1b[2L\x1b[3P\x1b[4h\x1b[4l",
	} {
		if got := NewFilter().Output(s); got != s {
			t.Errorf("%q, which only draws, becomes %q", s, got)
		}
	}
}

func FuzzFilter(f *testing.F) {
	for _, s := range hostile {
		f.Add(s, 3)
	}
	f.Fuzz(func(t *testing.T, s string, cut int) {
		filter := NewFilter()
		cut = max(0, min(cut, len(s)))
		if got := filter.Output(s[:cut]) + filter.Output(s[cut:]); !harmless.MatchString(got) {
			t.Errorf("%q, cut at %d, becomes %q", s, cut, got)
		}
	})
}

func TestExportIsAnAsciicastThatAnyPlayerMayShow(t *testing.T) {
	t.Parallel()
	h := home.Dir(t.TempDir())
	var output []string
	for _, s := range hostile {
		output = append(output, s, "\x18\x1b\\")
	}
	r := recordTo(t, h, 1, 0, append(output, "\x1b[32mgreen\x1b[0m\r\n")...)
	var b bytes.Buffer
	if err := r.Export(&b, 2*time.Second); err != nil {
		t.Fatal(err)
	}
	head, rest, _ := bytes.Cut(b.Bytes(), []byte("\n"))
	if !regexp.MustCompile(`^\{"version":2,"width":120,"height":40,"timestamp":\d+,"idle_time_limit":2,"title":"t3, generation 1",`).Match(head) {
		t.Errorf("the header is %s", head)
	}
	var shown strings.Builder
	for l := range bytes.Lines(rest) {
		e, err := parseEvent(l)
		if err != nil || e.Kind != "o" || !harmless.MatchString(e.Data) {
			t.Errorf("%s: %v", l, err)
		}
		shown.WriteString(e.Data)
	}
	if !strings.HasSuffix(shown.String(), "\x1b[32mgreen\x1b[0m\r\n"+Restore) {
		t.Errorf("the export ends with %q", shown.String())
	}
}

func TestWhatIsNoRecordingIsNotRead(t *testing.T) {
	t.Parallel()
	h := home.Dir(t.TempDir())
	dir := h.NewGen(task, 1).Dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", Path(h, task, 1)); err != nil {
		t.Fatal(err)
	}
	if all := Find(h, task, 1); len(all) != 0 {
		t.Errorf("a link is taken for %+v", all)
	}
	if err := os.Remove(Path(h, task, 1)); err != nil {
		t.Fatal(err)
	}
	for what, content := range map[string]string{"text": "no gzip", "nothing": ""} {
		if err := os.WriteFile(Path(h, task, 1), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if all := events(t, one(t, h, 1)); len(all) != 0 {
			t.Errorf("%s has %q", what, all)
		}
	}
	p := newPacker()
	p.write([]byte(`{"version":2,"width":80,"height":24}` + "\n" + `[1,"o","a"]` + "\n" + `[0.5,"o","b"]` + "\n" + `[2,"r","0x99999999"]` + "\n" + `[1e300,"o","c"]` + "\n"))
	p.end()
	if err := os.WriteFile(Path(h, task, 1), p.bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, want := events(t, one(t, h, 1)), []Event{{time.Second, "o", "a"}, {time.Second, "o", "b"}}; !slices.Equal(got, want) {
		t.Errorf("a forged recording has %q, want %q", got, want)
	}
}
