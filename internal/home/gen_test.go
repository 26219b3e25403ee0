package home

import (
	"os"
	"testing"
)

func TestGen_KeepsThePlacesOfAnOlderVersionUntilTheGenerationEnds(t *testing.T) {
	t.Parallel()
	h := Dir(t.TempDir())
	if err := h.Create(); err != nil {
		t.Fatal(err)
	}
	if g := h.Gen("t1", 2); g != h.NewGen("t1", 2) || g.RO() != g.Dir+"/ro" || g.RW() != g.Dir+"/rw" {
		t.Errorf("a generation without files: %+v", g)
	}
	if err := os.Mkdir(h.OldGenDir("t1", 2), 0o700); err != nil {
		t.Fatal(err)
	}
	if g := h.Gen("t1", 2); !g.Shared || g.Dir != h.OldGenDir("t1", 2) || g.RO() != g.Dir || g.RW() != g.Dir {
		t.Errorf("a generation of an older version: %+v", g)
	}
	if g := h.Gen("t1", 3); g.Shared {
		t.Errorf("the next generation: %+v", g)
	}
	if err := os.Mkdir(h.NewGen("t1", 2).Dir, 0o700); err != nil { // it was made ready and had not started
		t.Fatal(err)
	}
	if g := h.Gen("t1", 2); g != h.NewGen("t1", 2) {
		t.Errorf("a generation that this version starts: %+v", g)
	}
}
