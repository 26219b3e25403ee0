package control

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/fault"
)

func TestALogIsSearched(t *testing.T) {
	t.Parallel()
	c := open(t)
	long := strings.Repeat("é", maxFoundLine) + "Needle" + strings.Repeat("x", 2*maxFoundLine)
	log := "one needle\n\x1b[31mnee\x1b[0mdle NEEDLE\nnothing\n" + long + "\nthe last needle"
	if err := os.WriteFile(c.home.Log(), []byte(log), 0o600); err != nil {
		t.Fatal(err)
	}
	search := func(words string, most int) (Found, error) {
		return Get(t.Context(), c, Search{Log: Log{Supervisor: true}, Words: words, Most: most})
	}
	found, err := search("nEEdle", 3)
	if err != nil {
		t.Fatal(err)
	}
	want := Found{Source: LogSupervisor, Words: "needle", Count: 4, Of: 5, Lines: []FoundLine{{1, "one needle"}, {2, "needle NEEDLE"}, {4, found.Lines[2].Text}}}
	if d := cmp.Diff(want, found); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if part := found.Lines[2].Text; len(part) > maxFoundLine+len("…") || !strings.Contains(part, "Needle") || !strings.HasPrefix(part, "…é") {
		t.Errorf("of a long line it returns %d bytes: %q", len(part), part)
	}
	if d := cmp.Diff([][2]int{{0, 6}, {7, 13}}, found.Marks(found.Lines[1].Text)); d != "" {
		t.Errorf("marks (-want +got):\n%s", d)
	}
	if marks := found.Marks("İ needle"); marks != nil { // in small letters it is longer
		t.Errorf("marks within letters: %v", marks)
	}
	if none, err := search("haystack", 0); err != nil || none.Count != 0 || none.Of != 5 {
		t.Errorf("what is not there: %+v %v", none, err)
	}
	for _, words := range []string{"", " ", "\x1b[31m", "a\nb", strings.Repeat("x", maxSought+1)} {
		if _, err := search(words, 0); !fault.Is(err, fault.Usage) {
			t.Errorf("%.20q: %v", words, err)
		}
	}
	told := found.Told()
	if told.Text != "one needle\nneedle NEEDLE\n"+found.Lines[2].Text+"\n" || told.Found.Count != 4 || len(told.Found.Numbers) != 3 {
		t.Errorf("told: %+v", told)
	}
}
