package mail

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"muster/internal/fault"
	"muster/internal/regular"
)

var (
	// ErrNoAnswer is the error of a request that was not answered in time.
	ErrNoAnswer = errors.New("no answer came")
	// ErrAnswered is the error of a request that already has another answer; the first answer stays.
	ErrAnswered = errors.New("the request has another answer already")
)

// The decisions of an answer.
const (
	Allow = "allow"
	Deny  = "deny"
	Text  = "text" // the answer to a question
)

// Answer is the decision of a rule or a person about one request of the agent.
type Answer struct {
	Request  string    `json:"request"`
	Decision string    `json:"decision"`       // Allow, Deny or Text
	Text     string    `json:"text,omitempty"` // why it was denied, or the answer to a question; of several, one on each line
	Gen      int       `json:"gen,omitempty"`  // the generation that asked; 0 from versions that did not name it
	Hash     string    `json:"hash,omitempty"` // of what was shown, event.Ask.Hash; the hook allows nothing else
	Time     time.Time `json:"time"`           // when it was decided; filled in if zero
}

// Allows reports whether the answer allows exactly the request with this hash.
func (a Answer) Allows(hash string) bool { return a.Decision == Allow && hash != "" && a.Hash == hash }

// NewRequest returns a new and unique id of a request.
func NewRequest() string { return "q" + strings.ToLower(rand.Text()[:16]) }

// Answer stores the answer to a request durably and wakes the processes that await it. The first answer stays: storing the
// same one again succeeds, and a different one returns ErrAnswered. A late answer does no harm. A file that is no answer
// is replaced.
func (b Box) Answer(a Answer) error {
	if err := checkRequest(a.Request); err != nil {
		return err
	}
	if a.Decision != Allow && a.Decision != Deny && a.Decision != Text {
		return fault.New(fault.Usage, "decision: %q is not known", a.Decision).WithHint("Use allow, deny or text.")
	}
	old, err := b.answered(a.Request)
	if err == nil && !old.Same(a) {
		return fmt.Errorf("answer %s: %w", a.Request, ErrAnswered)
	}
	if err != nil {
		err = b.store(a)
	}
	if err != nil {
		return fmt.Errorf("answer %s: %w", a.Request, err)
	}
	return b.wake(a.Request)
}

// Overrule is Answer, but replaces another answer. It is for one that the supervisor did not write.
func (b Box) Overrule(a Answer) error {
	if err := checkRequest(a.Request); err != nil {
		return err
	}
	if err := b.store(a); err != nil {
		return fmt.Errorf("answer %s: %w", a.Request, err)
	}
	return b.wake(a.Request)
}

// store writes the answer in place of whatever has its name.
func (b Box) store(a Answer) error {
	if a.Time.IsZero() {
		a.Time = time.Now().UTC()
	}
	raw, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return b.write(b.ro(b.answers(), a.Request+answerSuffix), append(raw, '\n'))
}

// wake rings for the processes that await an answer. One that has no pipe reads the answer before it waits, and an agent
// that put something else in its place gets the answer when it looks again.
func (b Box) wake(request string) error {
	err := b.ring(filepath.Join(b.requests(), request+bellSuffix))
	if isMissing(err) || errors.Is(err, errNoPipe) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("answer %s: %w", request, err)
	}
	return nil
}

// Answered returns the answer in the box; the error is fs.ErrNotExist if there is none.
func (b Box) Answered(request string) (Answer, error) {
	if err := checkRequest(request); err != nil {
		return Answer{}, err
	}
	return b.answered(request)
}

// Same reports whether two answers decide the same. Older versions did not name the generation.
func (a Answer) Same(other Answer) bool {
	if a.Gen == 0 || other.Gen == 0 {
		a.Gen, other.Gen = 0, 0
	}
	a.Time, other.Time = time.Time{}, time.Time{}
	return a == other
}

// Await blocks until the request is answered. If ctx is done first, the error is both ctx's error and ErrNoAnswer.
func (b Box) Await(ctx context.Context, request string) (Answer, error) {
	return b.AwaitWhile(ctx, request, 0)
}

// AwaitWhile is Await, but returns ErrParentGone when the process parent dies; 0 watches no process. With a Log it waits on
// while the answer in the box is not one that the log has.
func (b Box) AwaitWhile(ctx context.Context, request string, parent int) (Answer, error) {
	if err := checkRequest(request); err != nil {
		return Answer{}, err
	}
	// A pipe, because a user has few inotify instances and a fleet has many open requests. The pipe stays, because
	// another process may await the same answer.
	bell := b.rw(b.requests(), request+bellSuffix)
	err := os.MkdirAll(filepath.Dir(bell), 0o700)
	if err == nil {
		err = makeFIFO(bell)
	}
	if err != nil {
		return Answer{}, fmt.Errorf("await answer: %w", err)
	}
	p, err := openPipe(bell)
	if err != nil {
		return Answer{}, fmt.Errorf("await answer: %w", err)
	}
	defer p.close()
	for {
		a, forged := b.believed(request)
		if forged == nil || !errors.Is(forged, fs.ErrNotExist) {
			return a, forged
		}
		err = wait(ctx, parent, p.r)
		// The ring stays in the pipe for others who await the same answer.
		if a, late := b.believed(request); late == nil {
			return a, nil // even if it came just when ctx ended
		}
		if err == nil {
			p.drain() // the ring was not for an answer
			if errors.Is(forged, ErrForged) {
				pause(ctx, forgedPause)
			}
			continue
		}
		if ctx.Err() != nil {
			return Answer{}, fmt.Errorf("request %s: %w: %w", request, ErrNoAnswer, err)
		}
		return Answer{}, fmt.Errorf("request %s: %w", request, err)
	}
}

// forgedPause is the pause after a ring while the box has an answer that the log does not have, so that somebody who
// rings again and again does not make this process read the log all the time.
const forgedPause = 200 * time.Millisecond

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// believed returns the answer in the box. If there is a Log that does not have it, the error is fs.ErrNotExist: the
// supervisor writes its answer in that one's place.
func (b Box) believed(request string) (Answer, error) {
	a, err := b.answered(request)
	if b.Log == nil || errors.Is(err, fs.ErrNotExist) {
		return a, err
	}
	if err != nil || a.Request != request || !b.Log.Answered(a) {
		return Answer{}, fmt.Errorf("answer %s: %w: %w", request, ErrForged, fs.ErrNotExist)
	}
	return a, nil
}

// checkRequest returns an error if a text is not the id of a request. It comes from the agent's side, and must not lead
// out of a directory.
func checkRequest(request string) error {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
	if request == "" || len(request) > 80 || strings.Trim(request, letters) != "" {
		return fault.New(fault.Usage, "%q is not the id of a request", request).
			WithHint("Take the id from `muster show`.")
	}
	return nil
}

func (b Box) answered(request string) (Answer, error) {
	var a Answer
	err := readJSON(b.ro(b.answers(), request+answerSuffix), &a)
	return a, err
}

func readJSON(path string, v any) error {
	raw, err := regular.Read(path, maxFile)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return nil
}
