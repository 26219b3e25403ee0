package mail

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"muster/internal/event"
	"muster/internal/regular"
	"muster/internal/replace"
)

// maxRequest is the largest file of a request, in bytes: an input of 64 KiB may need six bytes for each.
const maxRequest = 1 << 20

// Ask stores the whole of what a request asks. It is written before the status record which says that the agent waits;
// Asked reads it when that record is read.
func (b Box) Ask(id string, a event.Ask) error {
	if err := checkRequest(id); err != nil {
		return err
	}
	path := b.rw(b.requests(), id+askSuffix)
	var raw bytes.Buffer
	e := json.NewEncoder(&raw)
	e.SetEscapeHTML(false)
	if err := e.Encode(a); err != nil {
		return fmt.Errorf("ask %s: %w", id, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("ask %s: %w", id, err)
	}
	if err := replace.Quick(path, raw.Bytes()); err != nil {
		return fmt.Errorf("ask %s: %w", id, err)
	}
	return nil
}

// Asked returns what a request of a tool asks. The agent can write the file: what is too long is cut, and what does
// not agree with its hash counts as cut. The error is fs.ErrNotExist if nothing was stored.
func (b Box) Asked(id, tool string) (event.Ask, error) {
	if err := checkRequest(id); err != nil {
		return event.Ask{}, err
	}
	var raw []byte
	err := within(b.rw(), func(root *os.Root) (err error) {
		raw, err = regular.ReadIn(root, filepath.Join(b.requests(), id+askSuffix), maxRequest)
		return err
	})
	if isMissing(err) {
		return event.Ask{}, fmt.Errorf("read request %s: %w", id, fs.ErrNotExist)
	}
	var a event.Ask
	if err == nil {
		err = json.Unmarshal(raw, &a)
	}
	if err != nil {
		return event.Ask{Cut: true}, fmt.Errorf("read request %s: %w", id, err)
	}
	return a.Checked(tool), nil
}
