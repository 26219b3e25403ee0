package sim

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Kinds of lines in a transcript.
const (
	lineBegin  = "begin"  // a process started or resumed the conversation
	linePrompt = "prompt" // a prompt was taken
	lineQueued = "queued" // a prompt was submitted while a turn was running, and waits in memory
	lineStep   = "step"   // a step is done
	lineOnce   = "once"   // a step that happens once was reached
	lineEnd    = "end"    // the turn is over
)

// line is one line of a transcript.
type line struct {
	Time   time.Time `json:"time"`
	Gen    int       `json:"gen,omitempty"`
	Kind   string    `json:"kind"`
	Resume bool      `json:"resume,omitempty"` // of begin
	Turn   int       `json:"turn,omitempty"`   // from 1
	Step   int       `json:"step,omitempty"`   // from 0: the step that is done
	Text   string    `json:"text,omitempty"`   // the prompt; the name of a once; how the turn ended
}

// progress is the state of a conversation.
type progress struct {
	first   string          // the first prompt
	last    string          // the prompt of the last turn
	turns   int             // turns begun
	open    bool            // the last of them is not over
	done    int             // how many of its steps are done
	once    map[string]bool // the once steps that were reached
	prompts []string        // all prompts that were taken
	queued  []string        // all prompts that were queued
}

// fold applies a line.
func (p *progress) fold(l line) {
	switch l.Kind {
	case lineBegin:
		if !l.Resume {
			*p = progress{once: p.once, prompts: p.prompts, queued: p.queued}
		}
	case linePrompt:
		p.prompts = append(p.prompts, l.Text)
		if l.Turn == p.turns && p.open {
			return // the prompt of a resume continues the open turn
		}
		if p.first == "" {
			p.first = l.Text
		}
		p.last, p.turns, p.open, p.done = l.Text, l.Turn, true, 0
	case lineQueued:
		p.queued = append(p.queued, l.Text)
	case lineStep:
		p.done = l.Step + 1
	case lineOnce:
		p.once[l.Text] = true
	case lineEnd:
		p.open = false
	}
}

// TranscriptPath returns the path of a conversation's transcript below a state directory.
func TranscriptPath(stateDir, conversation string) string {
	return filepath.Join(stateDir, conversation+".jsonl")
}

// readProgress folds a transcript. A missing one is empty; a torn or unknown line is skipped.
func readProgress(path string) (progress, error) {
	p := progress{once: map[string]bool{}}
	data, err := os.ReadFile(path) //nolint:gosec // its own file
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, fmt.Errorf("read transcript: %w", err)
	}
	scan := bufio.NewScanner(bytes.NewReader(data))
	scan.Buffer(nil, len(data)+1)
	for scan.Scan() {
		var l line
		if json.Unmarshal(scan.Bytes(), &l) == nil {
			p.fold(l)
		}
	}
	return p, nil
}

// Trace reports whether the transcript at path has a prompt that holds accepts: one that was taken, and one that is
// or was queued in the memory of the process.
func Trace(path string, holds func(prompt string) bool) (taken, queued bool, err error) {
	p, err := readProgress(path)
	if err != nil {
		return false, false, err
	}
	for _, prompt := range p.prompts {
		taken = taken || holds(prompt)
	}
	for _, prompt := range p.queued {
		queued = queued || holds(prompt)
	}
	return taken, queued, nil
}

// Resumable reports whether the transcript at path has a prompt.
func Resumable(path string) bool {
	p, err := readProgress(path)
	return err == nil && p.turns > 0
}

// transcript writes the record of a running conversation. One goroutine at a time uses it: the loop between turns,
// and the turn while it runs. A queued prompt is a single append by the loop.
type transcript struct {
	path string
	gen  int
}

// write appends a line. It is on the disk before the recorded step counts as done.
func (t transcript) write(l line) error {
	if t.path == "" {
		return nil
	}
	l.Time, l.Gen = time.Now().UTC(), t.gen
	data, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("encode transcript: %w", err)
	}
	if err := appendFile(t.path, append(data, '\n')); err != nil {
		return fmt.Errorf("write transcript: %w", err)
	}
	return nil
}

// appendFile appends data in one write and makes the file if it is missing.
func appendFile(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600) //nolint:gosec // named by the caller of the program
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}
