package mail

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"muster/internal/event"
	"muster/internal/regular"
	"muster/internal/replace"
)

// ErrNotWaiting is the error of a message that cannot be taken or returned: another process was faster, or it was
// acknowledged.
var ErrNotWaiting = errors.New("message is not waiting")

// Box is the mailbox of one generation. The supervisor puts, returns and ends messages; the agent's hooks take
// them. Every method is safe between processes, and a process may die within any of them.
type Box struct {
	Dir string // the generation's directory, home.Dir.GenDir
}

// Message is a text for the agent.
type Message struct {
	ID   event.MessageID
	Text string // byte for byte what the agent gets
}

const (
	waitingSuffix = ".msg"
	takenSuffix   = ".taken"
)

func (b Box) inbox() string   { return filepath.Join(b.Dir, "inbox") }
func (b Box) answers() string { return filepath.Join(b.Dir, "answers") }
func (b Box) bell() string    { return filepath.Join(b.Dir, "bell") }

// Create makes the directories (0700) and the bell. It may be repeated.
func (b Box) Create() error {
	for _, dir := range []string{b.Dir, b.inbox(), b.answers()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("create mailbox: %w", err)
		}
	}
	if err := makeFIFO(b.bell()); err != nil {
		return fmt.Errorf("create mailbox: %w", err)
	}
	return nil
}

// makeFIFO makes a named pipe, or accepts an existing one.
func makeFIFO(path string) error {
	err := unix.Mkfifo(path, 0o600)
	if err == nil {
		return nil
	}
	if errors.Is(err, unix.EEXIST) {
		st, statErr := os.Lstat(path)
		if statErr == nil && st.Mode().Type() == fs.ModeNamedPipe {
			return nil
		}
	}
	return &os.PathError{Op: "mkfifo", Path: path, Err: err}
}

// Put stores a message in the inbox durably. It changes nothing if the message waits or was taken. The caller must not put a
// message that is Done, because it would be delivered again. Call Ring afterwards.
func (b Box) Put(m Message) error {
	waiting, taken, err := b.names(m.ID)
	if err != nil {
		return err
	}
	// In this order, because a hook may take it in between.
	for _, path := range []string{waiting, taken} {
		if _, err := os.Lstat(path); err == nil {
			return nil
		}
	}
	if err := replace.Durable(waiting, []byte(m.Text)); err != nil {
		return fmt.Errorf("put message %s: %w", m.ID, err)
	}
	return nil
}

// Waiting returns the messages that were not taken yet, in the order of their ids.
func (b Box) Waiting() ([]Message, error) {
	ids, err := b.list(waitingSuffix)
	if err != nil {
		return nil, err
	}
	messages := make([]Message, 0, len(ids))
	for _, id := range ids {
		text, err := regular.Read(filepath.Join(b.inbox(), string(id)+waitingSuffix), maxFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue // taken in the meantime
		}
		if err != nil {
			return nil, fmt.Errorf("read message %s: %w", id, err)
		}
		messages = append(messages, Message{ID: id, Text: string(text)})
	}
	return messages, nil
}

// Take marks a message as handed to the agent, just before that happens. Of several processes one succeeds; the others get
// ErrNotWaiting and must not hand the message over.
func (b Box) Take(id event.MessageID) error {
	waiting, taken, err := b.names(id)
	if err != nil {
		return err
	}
	return move("take", id, waiting, taken)
}

// Taken returns the ids of messages that were handed over and not acknowledged yet, in order.
func (b Box) Taken() ([]event.MessageID, error) { return b.list(takenSuffix) }

// Done removes an acknowledged message, taken or not. It may be repeated.
func (b Box) Done(id event.MessageID) error {
	waiting, taken, err := b.names(id)
	if err != nil {
		return err
	}
	// In this order: a Take in between then leaves nothing behind.
	for _, path := range []string{waiting, taken} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove message %s: %w", id, err)
		}
	}
	return nil
}

// Return makes a taken message wait again, when it is proven that the agent did not get it. Repeating it changes nothing;
// ErrNotWaiting means that there is no such message.
func (b Box) Return(id event.MessageID) error {
	waiting, taken, err := b.names(id)
	if err != nil {
		return err
	}
	err = move("return", id, taken, waiting)
	if errors.Is(err, ErrNotWaiting) {
		if _, statErr := os.Lstat(waiting); statErr == nil {
			return nil
		}
	}
	return err
}

func move(what string, id event.MessageID, from, to string) error {
	err := os.Rename(from, to)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s message %s: %w", what, id, ErrNotWaiting)
	}
	if err != nil {
		return fmt.Errorf("%s message %s: %w", what, id, err)
	}
	return nil
}

// names returns the paths of a message while it waits and after it was taken.
func (b Box) names(id event.MessageID) (waiting, taken string, err error) {
	if number(string(id)) == 0 {
		return "", "", fmt.Errorf("%q is not the id of a message", string(id))
	}
	path := filepath.Join(b.inbox(), string(id))
	return path + waitingSuffix, path + takenSuffix, nil
}

// number returns the number within a message id, or 0 if it is not a message id.
func number(id string) int {
	digits, ok := strings.CutPrefix(id, "m")
	if !ok || digits == "" || len(digits) > 11 || digits[0] == '0' || strings.Trim(digits, "0123456789") != "" {
		return 0
	}
	n, _ := strconv.Atoi(digits)
	return n
}

// list returns the ids of the files with a suffix in the inbox, in order. It ignores all other files.
func (b Box) list(suffix string) ([]event.MessageID, error) {
	entries, err := os.ReadDir(b.inbox())
	if err != nil {
		return nil, fmt.Errorf("read inbox: %w", err)
	}
	var ids []event.MessageID
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), suffix)
		if ok && number(id) > 0 && e.Type().IsRegular() {
			ids = append(ids, event.MessageID(id))
		}
	}
	slices.SortFunc(ids, func(x, y event.MessageID) int { return number(string(x)) - number(string(y)) })
	return ids, nil
}

// maxFile is the largest file of a mailbox that is read, in bytes.
const maxFile = 64 << 20
