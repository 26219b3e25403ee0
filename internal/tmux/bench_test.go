package tmux_test

import (
	"fmt"
	"testing"

	"muster/internal/tmux/tmuxtest"
)

func BenchmarkDo(b *testing.B) {
	c, _, _ := tmuxtest.Connect(b)
	for b.Loop() {
		do(b, c, "has-session", "-t", "=hub")
	}
}

func BenchmarkDoPipelined(b *testing.B) {
	c, _, _ := tmuxtest.Connect(b)
	b.SetParallelism(64)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.Do(b.Context(), "has-session", "-t", "=hub"); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkOpenAndKill(b *testing.B) {
	c, _, dir := tmuxtest.Connect(b)
	i := 0
	for b.Loop() {
		i++
		p := open(b, c, dir, fmt.Sprint("t", i), sleeper...)
		if err := c.KillSession(b.Context(), string(p.Session)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPanes100(b *testing.B) {
	c, _, dir := tmuxtest.Connect(b)
	for i := range 100 {
		open(b, c, dir, fmt.Sprint("t", i), sleeper...)
	}
	for b.Loop() {
		if _, err := c.Panes(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPaste64K(b *testing.B) {
	c, _, dir := tmuxtest.Connect(b)
	p := open(b, c, dir, "t1", "sh", "-c", "stty raw -echo; exec cat >/dev/null")
	text := fmt.Sprintf("%065536d", 0)
	for b.Loop() {
		if err := c.Paste(b.Context(), p.ID, text); err != nil {
			b.Fatal(err)
		}
	}
}
