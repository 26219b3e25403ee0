package scarce

import (
	"context"
	"time"
)

// Pauses between two attempts of Retry.
const (
	firstPause   = 200 * time.Millisecond
	longestPause = 10 * time.Second
)

// Retry calls try until it succeeds, fails for another reason than a shortage, or ctx ends. It returns the error of
// the last call.
func Retry(ctx context.Context, try func() error) error {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := try()
		if !Is(err) {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}
