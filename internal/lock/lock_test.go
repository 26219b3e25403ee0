package lock_test

import (
	"path/filepath"
	"testing"

	"muster/internal/lock"
)

func TestHeld_DoesNotDisturbTake(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "alive")
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				_, _ = lock.Held(path)
			}
		}
	}()
	for range 300 {
		f, err := lock.Take(path)
		if err != nil {
			t.Errorf("take: %v", err)
			break
		}
		_ = f.Close()
	}
	close(stop)
	<-done
}
