package mail

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"muster/internal/event"
	"muster/internal/regular"
	"muster/internal/replace"
)

// maxRequest is the largest file of a request: an input of 64 KiB of which every byte needs six to be written.
const maxRequest = 1 << 20

// Ask puts down what a request asks, whole. It is written before the status record that says that the agent waits, and
// read by Asked when that record is.
func (b Box) Ask(id string, a event.Ask) error {
	path, err := b.answerPath(id)
	if err != nil {
		return err
	}
	var raw bytes.Buffer
	e := json.NewEncoder(&raw)
	e.SetEscapeHTML(false)
	if err := e.Encode(a); err != nil {
		return fmt.Errorf("ask %s: %w", id, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("ask %s: %w", id, err)
	}
	if err := replace.Quick(path+".ask", raw.Bytes()); err != nil {
		return fmt.Errorf("ask %s: %w", id, err)
	}
	return nil
}

// Asked returns what a request of a tool asks. The file is the agent's: what does not fit is cut, and what does not
// agree with its hash counts as cut. The error is fs.ErrNotExist if nothing was put down.
func (b Box) Asked(id, tool string) (event.Ask, error) {
	path, err := b.answerPath(id)
	if err != nil {
		return event.Ask{}, err
	}
	raw, err := regular.Read(path+".ask", maxRequest)
	if errors.Is(err, fs.ErrNotExist) {
		return event.Ask{}, err
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
