package claude

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"muster/internal/agent"
	"muster/internal/event"
)

// largeTranscript is how long the transcript of TestALargeTranscriptTakesLittleMemory is.
var largeTranscript = flag.Int64("agent.transcript", 64<<20, "bytes")

// writeTranscript makes a transcript of results of tools and messages with their usage, as long sessions have.
func writeTranscript(t *testing.T, path string, size int64, conversation string) (messages int) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	write := func(format string, args ...any) {
		n, err := fmt.Fprintf(w, format+"\n", args...)
		if err != nil {
			t.Fatal(err)
		}
		size -= int64(n)
	}
	output := strings.Repeat(`ok  \tmuster/internal/parser\t0.012s\n`, 400) // 16 KB
	write(`{"type":"user","uuid":"u0","sessionId":%q,"timestamp":"2026-11-24T06:00:00Z","message":{"content":"Task t1\n\n[muster m1]"}}`, conversation)
	for size > 0 {
		messages++
		write(`{"type":"assistant","uuid":"a%d","sessionId":%q,"timestamp":"2026-11-24T06:00:00Z","message":{"id":"msg_%d","content":[{"type":"tool_use","name":"Bash","input":{"command":"go test"}}],"usage":{"input_tokens":10,"output_tokens":5}}}`, messages, conversation, messages)
		write(`{"type":"user","uuid":"r%d","sessionId":%q,"timestamp":"2026-11-24T06:00:00Z","message":{"content":[{"type":"tool_result","content":"%s"}]}}`, messages, conversation, output)
		if messages%500 == 0 { // a picture, or a file that was read whole
			write(`{"type":"user","uuid":"p%d","sessionId":%q,"message":{"content":[{"type":"tool_result","content":"%s"}]}}`, messages, conversation, strings.Repeat("iVBORw0K", 250_000))
		}
	}
	write(`{"type":"user","uuid":"last","sessionId":%q,"timestamp":"2026-11-24T07:00:00Z","message":{"content":"[muster m7] go on"}}`, conversation)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return messages
}

// TestALargeTranscriptTakesLittleMemory: usage, deliveries and resuming hold a line at a time, whatever the length.
// It is not parallel: it measures the memory of this process.
func TestALargeTranscriptTakesLittleMemory(t *testing.T) { //nolint:paralleltest // see above
	const conversation = "7f9c2ba4-e88f-8271-ad64-000000000001"
	dir := t.TempDir()
	l := agent.Launch{Task: "t1", Gen: 1, Worktree: dir, Conversation: conversation, Env: []string{"HOME=" + dir, "CLAUDE_CONFIG_DIR=" + dir}}
	path := transcriptPath(l)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	messages := writeTranscript(t, path, *largeTranscript, conversation)
	t.Logf("%d MiB written in %v", *largeTranscript>>20, time.Since(began))
	for _, c := range []struct {
		name string
		do   func() error
	}{
		{"usage", func() error {
			p := newTranscript(agent.Launch{Conversation: conversation}, path, time.Time{})
			p.prime()
			if p.usage.Sum().Turns != messages || p.usage.Sum().InputTokens != int64(10*messages) {
				return fmt.Errorf("counted %+v of %d", p.usage.Sum(), messages)
			}
			return nil
		}},
		{"a message that arrived", func() error { return delivered(l, "m7", agent.DeliveryAcknowledged) }},
		{"a message that did not", func() error { return delivered(l, "m8", agent.DeliveryAbsent) }},
		{"resuming", func() error {
			if !(adapter{}).Resumable(l) {
				return fmt.Errorf("it is not taken for resumable")
			}
			return nil
		}},
	} {
		grown, took, err := cost(c.do)
		t.Logf("%s: %v, the heap grew by %d KiB at most", c.name, took, grown>>10)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if grown > 24<<20 { // the longest line, twice, and what the collector has not seen yet
			t.Errorf("%s: the heap grew by %d MiB", c.name, grown>>20)
		}
		if took > 30*time.Second {
			t.Errorf("%s took %v", c.name, took)
		}
	}
}

func delivered(l agent.Launch, m event.MessageID, want agent.Delivery) error {
	if got, err := (adapter{}).Delivered(l, m); err != nil || got != want {
		return fmt.Errorf("%v (%w), want %v", got, err, want)
	}
	return nil
}

// cost measures what something takes of memory while it runs.
func cost(do func() error) (grown int64, took time.Duration, err error) {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	before := m.HeapInuse
	stop, most := make(chan struct{}), make(chan uint64)
	go func() {
		var m runtime.MemStats
		top := uint64(0)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			runtime.ReadMemStats(&m)
			top = max(top, m.HeapInuse)
			select {
			case <-stop:
				most <- top
				return
			case <-tick.C:
			}
		}
	}()
	began := time.Now()
	err = do()
	took = time.Since(began)
	close(stop)
	return int64(<-most) - int64(before), took, err //nolint:gosec // sizes of a heap
}
