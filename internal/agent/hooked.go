package agent

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/home"
	"muster/internal/mail"
	"muster/internal/proof"
)

const (
	// MaxPayload bounds one payload of a hook, in bytes; a tool's payload may contain a whole file.
	MaxPayload = 64 << 20
	// forgedPause is the pause after a ring for messages that the log does not have.
	forgedPause = time.Second
	// lookAgainForMail is how often a waiter asks the log again about messages that the log did not have: the log may have
	// been busy.
	lookAgainForMail = 30 * time.Second
)

// Hooked is one call of a hook by an agent of a fleet, with what the environment says about its generation. Adapters embed it
// in the state of a call.
type Hooked struct {
	HookCall
	Task       event.TaskID
	Gen        int
	Home       home.Dir
	Files      home.Gen
	Worktree   string
	StatusFile string
	WaitLimit  time.Duration // how long a request stays open
}

// OpenHook reads the environment of a call, and its payload, which is JSON, into payload. It returns false if the caller is not
// an agent of a fleet. A truncated payload leaves fields empty: the event's name is enough.
func OpenHook(h HookCall, payload any) (Hooked, bool) {
	if h.Getenv == nil {
		return Hooked{}, false
	}
	if h.Stdout == nil {
		h.Stdout = io.Discard
	}
	if h.Stderr == nil {
		h.Stderr = io.Discard
	}
	me, ok := environ.ReadAgent(h.Getenv)
	if !ok {
		return Hooked{}, false
	}
	s := Hooked{
		HookCall: h, Task: me.Task, Gen: me.Gen, Home: home.Dir(me.Home), Worktree: me.Worktree, StatusFile: me.StatusFile, WaitLimit: me.Wait,
	}
	s.Files = s.Home.Gen(s.Task, s.Gen)
	if s.StatusFile == "" {
		s.StatusFile = s.Home.StatusFile(s.Task, s.Gen)
	}
	if h.Stdin == nil {
		return s, true
	}
	if b, err := io.ReadAll(io.LimitReader(h.Stdin, MaxPayload)); err == nil {
		_ = json.Unmarshal(b, payload)
	}
	return s, true
}

// Undisturbed runs a hook and returns its exit status. A hook that panics has status 0: the agent's work goes on, and the lack of
// a record is seen by the fleet.
func Undisturbed(hook func() int) (code int) {
	defer func() {
		if recover() != nil {
			code = 0
		}
	}()
	return hook()
}

// Box returns the mailbox of the generation, which believes only what the log has.
func (s Hooked) Box() mail.Box { return proof.Box(s.Home, s.Task, s.Gen) }

// Asked returns the open requests of the generation.
func (s Hooked) Asked() Asked { return Asked{Files: s.Files} }

// Hold opens a request: it stores what is asked, writes r as the record of the wait, and waits for the answer while the agent lives.
// It returns false if none came. Otherwise it writes on, the record of continued work: the agent continues when the hook ends, so no
// later record can overtake that one. key names the request for the hook that sees its end, see Asked.
func (s Hooked) Hold(ctx context.Context, key, id string, ask event.Ask, r, on event.Record, write func(event.Record)) (mail.Answer, bool) {
	r.Request, on.Request = id, id
	// Without this file the request can be neither shown nor allowed.
	_ = s.Box().Ask(id, ask)
	noted := s.Asked().Open(key, r)
	write(r)
	answer, ok := s.Asked().Await(ctx, s.Box(), key, id, s.PPID, s.WaitLimit, noted)
	if !ok {
		return mail.Answer{}, false
	}
	s.Asked().Close(key)
	s.Asked().GoesOn(key, on, write)
	return answer, true
}

// Prompted writes the records of the start of a turn: one for each message in its prompt, or one if there is none. r has what all of
// them share.
func Prompted(in []event.MessageID, r event.Record, write func(event.Record)) {
	r.State, r.Prompted = event.RecordWorking, true
	if len(in) == 0 {
		write(r)
		return
	}
	for i, id := range in {
		r.Prompted, r.Message = i == 0, id
		write(r)
	}
}

// NoteOnce writes a file of a generation that its hooks share, if there is none yet. It appears whole or not at all. An error is
// ignored: what is not noted is not known.
func (s Hooked) NoteOnce(name string, data []byte) {
	temp, err := os.CreateTemp(s.Files.RW(), name+"-")
	if err != nil {
		return
	}
	defer os.Remove(temp.Name()) //nolint:errcheck // a left-over does no harm
	_, err = temp.Write(data)
	if closed := temp.Close(); err == nil && closed == nil {
		_ = os.Link(temp.Name(), filepath.Join(s.Files.RW(), name))
	}
}

// Reply writes a decision for the agent as JSON to standard output.
func (s Hooked) Reply(v any) {
	b, err := json.Marshal(v)
	if err == nil {
		_, _ = s.Stdout.Write(append(b, '\n'))
	}
}

// Listen waits for a message in the mailbox while the agent lives. The forged ones wait, too, and are left alone.
func (s Hooked) Listen(ctx context.Context, box mail.Box, forged []event.MessageID) error {
	if len(forged) == 0 {
		return box.ListenWhile(ctx, s.PPID)
	}
	select {
	case <-time.After(forgedPause): // a process that forges messages may ring all the time
	case <-ctx.Done():
		return ctx.Err()
	}
	slice, cancel := context.WithTimeout(ctx, lookAgainForMail)
	defer cancel()
	err := box.ListenWhile(slice, s.PPID, forged...)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil
	}
	return err
}

// Collect takes the waiting messages, oldest first, and returns their texts, of at most limit bytes if there are several. It
// leaves out those that the log does not have and returns their ids.
func Collect(box mail.Box, limit int) (texts []string, forged []event.MessageID) {
	waiting, forged, err := box.Unread()
	if err != nil {
		return nil, nil
	}
	size := 0
	for _, m := range waiting {
		text := Tagged(m)
		if size += len(text); size > limit && len(texts) > 0 {
			break
		}
		if box.Take(m.ID) != nil {
			continue // another waiter was faster
		}
		texts = append(texts, text)
	}
	return texts, forged
}
