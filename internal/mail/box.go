package mail

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"muster/internal/event"
	"muster/internal/home"
	"muster/internal/regular"
	"muster/internal/replace"
)

// ErrNotWaiting is the error of a message that cannot be taken or returned: another process was faster, or it was
// acknowledged.
var ErrNotWaiting = errors.New("message is not waiting")

// ErrForged is the error of a message or an answer that another process than the supervisor wrote.
var ErrForged = errors.New("the supervisor did not write it")

// Box is the mailbox of one generation. The supervisor puts, returns and ends messages; the agent's hooks take
// them. Every method is safe between processes, and a process may die within any of them.
type Box struct {
	Dir string // the generation's directory, home.Gen.Dir
	// Shared reports whether both sides write the same directories, see home.Gen.
	Shared bool
	// Log, if it is set, is asked about each message and answer before it is believed. The agent's side sets it: its
	// own processes can write the directory of messages and answers where no fence keeps them from it.
	Log Log
}

// Log is the supervisor's record of what it sent to one generation.
type Log interface {
	// Sent reports whether the log has this message on its way to the agent.
	Sent(Message) bool
	// Answered reports whether the log has this answer.
	Answered(Answer) bool
}

// Of returns the mailbox of a generation, as the supervisor uses it.
func Of(g home.Gen) Box { return Box{Dir: g.Dir, Shared: g.Shared} }

// Message is a text for the agent.
type Message struct {
	ID   event.MessageID
	Text string // byte for byte what the agent gets
}

const (
	messageSuffix = ".msg"
	takenSuffix   = ".taken"
	askSuffix     = ".ask"
	answerSuffix  = ".json"
	bellSuffix    = ".bell"
	// maxEntries bounds how many files of the directory of messages are looked at.
	maxEntries = 10_000
)

func (b Box) gen() home.Gen { return home.Gen{Dir: b.Dir, Shared: b.Shared} }

// The directories of messages and answers, relative to home.Gen.RO.
func (b Box) inbox() string   { return b.at("in", "inbox") }
func (b Box) answers() string { return b.at("in", "answers") }

// The directories of marks and requests, and the bell, relative to home.Gen.RW.
func (b Box) marks() string    { return b.at("out", "inbox") }
func (b Box) requests() string { return b.at("out", "answers") }
func (b Box) bell() string     { return "bell" }

func (b Box) at(now, shared string) string {
	if b.Shared {
		return shared
	}
	return now
}

// ro and rw return the absolute paths of names that are relative to the directories of the two sides.
func (b Box) ro(name ...string) string { return filepath.Join(b.gen().RO(), filepath.Join(name...)) }

func (b Box) rw(name ...string) string { return filepath.Join(b.gen().RW(), filepath.Join(name...)) }

// Create makes the directories (0700) and the bell. It may be repeated.
func (b Box) Create() error {
	for _, dir := range []string{b.Dir, b.gen().RO(), b.ro(b.inbox()), b.ro(b.answers()), b.gen().RW(), b.rw(b.requests()), b.rw(b.marks())} {
		err := os.MkdirAll(dir, 0o700)
		if err == nil {
			err = onlyDirectory(dir)
		}
		if err != nil {
			return fmt.Errorf("create mailbox: %w", err)
		}
	}
	if err := makeFIFO(b.rw(b.bell())); err != nil {
		return fmt.Errorf("create mailbox: %w", err)
	}
	return nil
}

// onlyDirectory returns an error if a path is a link to a directory.
func onlyDirectory(path string) error {
	st, err := os.Lstat(path)
	if err == nil && !st.IsDir() {
		err = &fs.PathError{Op: "create", Path: path, Err: unix.ENOTDIR}
	}
	return err
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
	waiting, _, err := b.names(m.ID)
	if err != nil {
		return err
	}
	// In this order, because a hook may take it in between.
	if st, err := os.Lstat(waiting); err == nil && st.Mode().IsRegular() {
		return nil
	}
	if taken, err := b.isTaken(m.ID); err != nil || taken {
		return err
	}
	if err := b.write(waiting, []byte(m.Text)); err != nil {
		return fmt.Errorf("put message %s: %w", m.ID, err)
	}
	return nil
}

// write stores a file of the supervisor durably, in place of whatever has its name. A process of the agent may have made
// that, or removed the directory, where no fence keeps it from both.
func (b Box) write(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if st, err := os.Lstat(path); err == nil && st.IsDir() {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return replace.Durable(path, data)
}

// Waits reports whether a message was put and not taken.
func (b Box) Waits(id event.MessageID) (bool, error) {
	waiting, _, err := b.names(id)
	if err != nil {
		return false, err
	}
	if st, err := os.Lstat(waiting); err != nil || !st.Mode().IsRegular() {
		return false, nil //nolint:nilerr // it was not put, or something else has its name
	}
	taken, err := b.isTaken(id)
	return !taken, err
}

// Forged reports whether a file in the place of a message has another text, so that the supervisor did not put it.
func (b Box) Forged(m Message) bool {
	waiting, _, err := b.names(m.ID)
	if err != nil {
		return false
	}
	text, err := regular.Read(waiting, maxFile)
	return !errors.Is(err, fs.ErrNotExist) && (err != nil || string(text) != m.Text)
}

// Waiting returns the messages that were not taken yet, in the order of their ids. With a Log it leaves out those that the
// log does not have.
func (b Box) Waiting() ([]Message, error) {
	messages, _, err := b.Unread()
	return messages, err
}

// Unread is Waiting, and also returns the ids of messages that the log does not have. They must not be handed over.
func (b Box) Unread() (messages []Message, forged []event.MessageID, err error) {
	ids, err := b.list()
	if err != nil {
		return nil, nil, err
	}
	messages = make([]Message, 0, len(ids))
	for _, id := range ids {
		text, err := regular.Read(b.ro(b.inbox(), string(id)+messageSuffix), maxFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue // taken in the meantime
		}
		if err != nil && b.Log == nil {
			return nil, nil, fmt.Errorf("read message %s: %w", id, err)
		}
		m := Message{ID: id, Text: string(text)}
		if err != nil || b.Log != nil && !b.Log.Sent(m) {
			forged = append(forged, id)
			continue
		}
		messages = append(messages, m)
	}
	return messages, forged, nil
}

// Take marks a message as handed to the agent, just before that happens. Of several processes one succeeds; the others get
// ErrNotWaiting and must not hand the message over.
func (b Box) Take(id event.MessageID) error {
	waiting, taken, err := b.names(id)
	if err != nil {
		return err
	}
	if b.Shared {
		return move("take", id, waiting, taken)
	}
	if _, err := os.Lstat(waiting); err != nil {
		return fmt.Errorf("take message %s: %w", id, notWaiting(err))
	}
	if err := os.MkdirAll(filepath.Dir(taken), 0o700); err != nil {
		return fmt.Errorf("take message %s: %w", id, err)
	}
	if err := regular.Mark(taken, 0o600); err != nil {
		return fmt.Errorf("take message %s: %w", id, notWaiting(err))
	}
	if _, err := os.Lstat(waiting); err != nil { // it was ended in between, and nothing may be left of it
		return fmt.Errorf("take message %s: %w", id, errors.Join(notWaiting(err), os.Remove(taken)))
	}
	return nil
}

// notWaiting returns ErrNotWaiting for the errors of a file that is missing, or that another process made first.
func notWaiting(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) {
		return ErrNotWaiting
	}
	return err
}

// IsTaken reports whether a message was handed over and not acknowledged yet.
func (b Box) IsTaken(id event.MessageID) (bool, error) {
	if _, _, err := b.names(id); err != nil {
		return false, err
	}
	return b.isTaken(id)
}

func (b Box) isTaken(id event.MessageID) (taken bool, err error) {
	err = within(b.rw(), func(root *os.Root) error {
		st, err := root.Lstat(filepath.Join(b.marks(), string(id)+takenSuffix))
		taken = err == nil && st.Mode().IsRegular()
		return err
	})
	if isMissing(err) {
		return false, nil
	}
	return taken, err
}

// isMissing reports whether a path within the generation's directory leads to no file: it does not exist, or the agent's
// side put something else in place of one of its directories.
func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) ||
		err != nil && strings.HasSuffix(err.Error(), "path escapes from parent") // package os does not export it
}

// within calls do with a directory of the generation. The paths that do uses do not lead out of it, whatever links the
// agent's side has made. A link in place of the directory counts as a directory that does not exist.
func within(dir string, do func(*os.Root) error) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // only opened
	opened, err := root.Stat(".")
	if err != nil {
		return err
	}
	if there, err := os.Lstat(dir); err != nil || !os.SameFile(there, opened) {
		return errors.Join(&fs.PathError{Op: "open", Path: dir, Err: fs.ErrNotExist}, err)
	}
	return do(root)
}

// Done removes an acknowledged message, taken or not. It may be repeated.
func (b Box) Done(id event.MessageID) error {
	waiting, _, err := b.names(id)
	if err != nil {
		return err
	}
	// In this order: a Take in between then leaves nothing behind.
	if err := os.RemoveAll(waiting); err != nil {
		return fmt.Errorf("remove message %s: %w", id, err)
	}
	if err := b.unmark(id); err != nil && !isMissing(err) {
		return fmt.Errorf("remove message %s: %w", id, err)
	}
	return nil
}

func (b Box) unmark(id event.MessageID) error {
	return within(b.rw(), func(root *os.Root) error { return root.Remove(filepath.Join(b.marks(), string(id)+takenSuffix)) })
}

// Return makes a taken message wait again, when it is proven that the agent did not get it. Repeating it changes nothing;
// ErrNotWaiting means that there is no such message.
func (b Box) Return(id event.MessageID) error {
	waiting, taken, err := b.names(id)
	if err != nil {
		return err
	}
	if b.Shared {
		err = move("return", id, taken, waiting)
		if !errors.Is(err, ErrNotWaiting) {
			return err
		}
	}
	if _, statErr := os.Lstat(waiting); statErr != nil {
		return fmt.Errorf("return message %s: %w", id, notWaiting(statErr))
	}
	if b.Shared {
		return nil
	}
	if err := b.unmark(id); err != nil && !isMissing(err) {
		return fmt.Errorf("return message %s: %w", id, err)
	}
	return nil
}

func move(what string, id event.MessageID, from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return fmt.Errorf("%s message %s: %w", what, id, notWaiting(err))
	}
	return nil
}

// names returns the paths of a message and of the mark that it was taken.
func (b Box) names(id event.MessageID) (waiting, taken string, err error) {
	if number(string(id)) == 0 {
		return "", "", fmt.Errorf("%q is not the id of a message", string(id))
	}
	return b.ro(b.inbox(), string(id)+messageSuffix), b.rw(b.marks(), string(id)+takenSuffix), nil
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

// list returns the ids of the messages that were not taken, in order. It ignores all other files.
func (b Box) list() ([]event.MessageID, error) {
	var entries []fs.DirEntry
	err := within(b.ro(), func(root *os.Root) error {
		dir, err := root.OpenFile(b.inbox(), os.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
		if err != nil {
			return err
		}
		defer dir.Close() //nolint:errcheck // only read
		entries, err = dir.ReadDir(maxEntries)
		return err
	})
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read inbox: %w", err)
	}
	var ids []event.MessageID
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), messageSuffix)
		if !ok || number(id) == 0 || !e.Type().IsRegular() {
			continue
		}
		if taken, err := b.isTaken(event.MessageID(id)); err != nil {
			return nil, fmt.Errorf("read inbox: %w", err)
		} else if !taken {
			ids = append(ids, event.MessageID(id))
		}
	}
	slices.SortFunc(ids, func(x, y event.MessageID) int { return number(string(x)) - number(string(y)) })
	return ids, nil
}

// maxFile is the largest file of a mailbox that is read, in bytes.
const maxFile = 64 << 20
