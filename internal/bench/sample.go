package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"time"
)

// samples are measurements of one thing.
type samples []time.Duration

// quantile returns the value that the share q of the samples does not exceed.
func (s samples) quantile(q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(s))
	i := int(q*float64(len(sorted))+0.9999) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

func (s samples) best() time.Duration   { return s.quantile(0) }
func (s samples) median() time.Duration { return s.quantile(0.5) }

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/1e6) }

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

// process measures one run of a program from its start to its end.
func process(ctx context.Context, env []string, stdin []byte, argv ...string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env, cmd.Stdin = env, bytes.NewReader(stdin)
	if stdin == nil {
		cmd.Stdin = nil
	}
	began := time.Now()
	err := cmd.Run()
	return time.Since(began), err
}
