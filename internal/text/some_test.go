package text

import "testing"

func TestSome(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		all  []string
		most int
		want string
	}{
		{nil, 2, ""},
		{[]string{"a"}, 2, "a"},
		{[]string{"a", "b"}, 2, "a, b"},
		{[]string{"a", "b", "c", "d"}, 2, "a, b and 2 more"},
	} {
		if got := Some(c.all, c.most); got != c.want {
			t.Errorf("Some(%q, %d) = %q, want %q", c.all, c.most, got, c.want)
		}
	}
}
