package claude

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// slotStep is how often a check that waits for a slot looks for a free one.
const slotStep = 50 * time.Millisecond

// takeSlot takes one of the lock files that all running checks of the fleet share, waiting for one if need be.
// The kernel frees it when this process ends, whatever the way. Without slots nothing is to wait for.
func takeSlot(ctx context.Context, slots []string) (unlock func(), err error) {
	if len(slots) == 0 {
		return func() {}, nil
	}
	tick := time.NewTicker(slotStep)
	defer tick.Stop()
	for {
		for _, path := range slots {
			f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // a path of our own
			if err != nil {
				return nil, fmt.Errorf("take a check slot: %w", err)
			}
			if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil { //nolint:gosec // a descriptor fits
				return func() { _ = f.Close() }, nil
			}
			_ = f.Close()
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
}

// checkEnv is the environment of a check: the agent's own, without what it sets for its hooks only.
func checkEnv(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		switch name {
		case "CLAUDECODE", "CLAUDE_CODE_SESSION_ID", "CLAUDE_PROJECT_DIR", "CLAUDE_CODE_ENTRYPOINT", "CLAUDE_CODE_CHILD_SESSION",
			"CLAUDE_ENV_FILE":
			return true
		}
		return false
	})
}

// keptOutput is how many bytes of the begin and of the end of an output are kept.
const keptOutput = 1 << 20

// output keeps the begin and the end of what a program says, however much that is.
type output struct{ head, tail []byte }

// Write implements io.Writer; it never fails.
func (o *output) Write(p []byte) (int, error) {
	n := len(p)
	room := min(len(p), keptOutput-len(o.head))
	o.head, p = append(o.head, p[:room]...), p[room:]
	o.tail = append(o.tail, p...)
	if len(o.tail) > 2*keptOutput {
		o.tail = slices.Clone(o.tail[len(o.tail)-keptOutput:])
	}
	return n, nil
}

func (o *output) bytes() []byte { return slices.Concat(o.head, o.tail) }
