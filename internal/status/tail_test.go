package status

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// follow reads a tail until there is no more to read.
func follow(t testing.TB, tl *tail, data []byte, id fileID, bufSize int) (got []string, replaced bool, long int) {
	t.Helper()
	buf := make([]byte, bufSize)
	for range 1 << 20 {
		s, err := tl.read(bytes.NewReader(data), id, int64(len(data)), buf, func(line []byte, at int64) {
			if !bytes.HasPrefix(data[at:], line) {
				t.Fatalf("line %q does not stand at %d", line, at)
			}
			got = append(got, string(line))
		})
		if err != nil {
			t.Fatal(err)
		}
		replaced = replaced || s.replaced
		long += s.long
		if !s.more {
			return got, replaced, long
		}
	}
	t.Fatal("reading does not end")
	return nil, false, 0
}

func newTail(from int64, max int) *tail { return &tail{from: from, lines: lines{max: max}} }

func TestTailWaitsForATornLine(t *testing.T) {
	t.Parallel()
	tl := newTail(0, 100)
	got, _, _ := follow(t, tl, []byte("one\ntw"), fileID{}, 1000)
	if !slices.Equal(got, []string{"one"}) || tl.offset != 4 {
		t.Errorf("got %q, offset %d", got, tl.offset)
	}
	got, _, _ = follow(t, tl, []byte("one\ntwo\nthree"), fileID{}, 1000)
	if !slices.Equal(got, []string{"two"}) || tl.offset != 8 {
		t.Errorf("got %q, offset %d", got, tl.offset)
	}
}

func TestTailSkipsALongLineAndKeepsItsOffset(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 500)
	tl := newTail(0, 20)
	got, _, n := follow(t, tl, []byte("a\n"+long), fileID{}, 64)
	if !slices.Equal(got, []string{"a"}) || n != 1 || tl.offset != 2 {
		t.Errorf("got %q, long %d, offset %d", got, n, tl.offset)
	}
	data := []byte("a\n" + long + long + "\nb\n")
	got, _, n = follow(t, tl, data, fileID{}, 64)
	if !slices.Equal(got, []string{"b"}) || n != 0 || tl.offset != int64(len(data)) {
		t.Errorf("got %q, long %d, offset %d", got, n, tl.offset)
	}
}

func TestTailKnowsAnotherFile(t *testing.T) {
	t.Parallel()
	first := []byte("one\ntwo\n")
	for name, c := range map[string]struct {
		data string
		id   fileID
		want []string
		from int64
	}{
		"truncated":                     {data: "x\n", want: []string{"x"}},
		"other inode":                   {data: "one\ntwo\nsix\n", id: fileID{1, 2}, want: []string{"one", "two", "six"}},
		"same inode, longer, rewritten": {data: "oneX\ntwoX\nthree\n", want: []string{"oneX", "twoX", "three"}},
		"emptied":                       {data: ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tl := newTail(c.from, 100)
			follow(t, tl, first, fileID{}, 100)
			got, replaced, _ := follow(t, tl, []byte(c.data), c.id, 100)
			if !replaced || !slices.Equal(got, c.want) {
				t.Errorf("replaced %v, got %q, want %q", replaced, got, c.want)
			}
		})
	}
}

func TestTailStartsAtAStoredOffset(t *testing.T) {
	t.Parallel()
	data := []byte("one\ntwo\nthree\n")
	for _, c := range []struct {
		from     int64
		want     []string
		replaced bool
	}{
		{0, []string{"one", "two", "three"}, false},
		{4, []string{"two", "three"}, false},
		{14, nil, false},
		{5, []string{"one", "two", "three"}, true}, // no line end before it: the offset of another file
		{99, []string{"one", "two", "three"}, true},
	} {
		got, replaced, _ := follow(t, newTail(c.from, 100), data, fileID{}, 100)
		if replaced != c.replaced || !slices.Equal(got, c.want) {
			t.Errorf("from %d: replaced %v, got %q", c.from, replaced, got)
		}
	}
}

// FuzzTail feeds a file in pieces, as it grows. The lines must be those of the whole file, in order, each once.
func FuzzTail(f *testing.F) {
	f.Add([]byte("one\ntwo\n\nthree"), []byte{1, 2, 3, 200}, uint8(16))
	f.Add([]byte(strings.Repeat("long", 20)+"\nx\n"), []byte{7}, uint8(5))
	f.Add([]byte("\n\n\n"), []byte{0}, uint8(1))
	f.Fuzz(func(t *testing.T, data, sizes []byte, max uint8) {
		var want []string
		if i := bytes.LastIndexByte(data, '\n'); i >= 0 {
			for line := range bytes.SplitSeq(data[:i], []byte{'\n'}) {
				if len(line) <= int(max) {
					want = append(want, string(line))
				}
			}
		}
		tl := newTail(0, int(max))
		var got []string
		grown := 0
		for i := 0; grown < len(data); i++ {
			if i < len(sizes) {
				grown = min(len(data), grown+int(sizes[i]))
			} else {
				grown = len(data)
			}
			lines, replaced, _ := follow(t, tl, data[:grown], fileID{}, int(max)+1)
			if replaced {
				t.Fatal("a file that only grew was taken for another")
			}
			got = append(got, lines...)
			// A new tail that starts at the stored offset must continue at the same line.
			if again, replaced, _ := follow(t, newTail(tl.offset, int(max)), data[:grown], fileID{}, int(max)+1); replaced || len(again) > 0 {
				t.Fatalf("from offset %d: replaced %v, got %q again", tl.offset, replaced, again)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}
