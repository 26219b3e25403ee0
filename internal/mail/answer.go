package mail

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"muster/internal/fault"
	"muster/internal/regular"
	"muster/internal/replace"
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
	Hash     string    `json:"hash,omitempty"` // of what was allowed, event.Ask.Hash; the hook allows nothing else
	Time     time.Time `json:"time"`           // when it was decided; filled in if zero
}

// Allows reports whether the answer allows exactly the request with this hash.
func (a Answer) Allows(hash string) bool { return a.Decision == Allow && hash != "" && a.Hash == hash }

// NewRequest returns a new and unique id of a request.
func NewRequest() string { return "q" + strings.ToLower(rand.Text()[:16]) }

// Answer stores the answer to a request durably and wakes the processes that await it. The first answer stays: storing the
// same one again succeeds, and a different one returns ErrAnswered. A late answer does no harm.
func (b Box) Answer(a Answer) error {
	path, err := b.answerPath(a.Request)
	if err != nil {
		return err
	}
	if a.Decision != Allow && a.Decision != Deny && a.Decision != Text {
		return fault.New(fault.Usage, "decision: %q is not known", a.Decision).WithHint("Use allow, deny or text.")
	}
	old, err := readAnswer(path)
	switch {
	case err == nil && (old.Decision != a.Decision || old.Text != a.Text || old.Hash != a.Hash):
		return fmt.Errorf("answer %s: %w", a.Request, ErrAnswered)
	case errors.Is(err, fs.ErrNotExist):
		if a.Time.IsZero() {
			a.Time = time.Now().UTC()
		}
		if err := writeJSON(path+".json", a); err != nil {
			return fmt.Errorf("answer %s: %w", a.Request, err)
		}
	case err != nil:
		return fmt.Errorf("answer %s: %w", a.Request, err)
	}
	if err := ring(path + ".bell"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("answer %s: %w", a.Request, err)
	}
	return nil
}

// Await blocks until the request is answered. If ctx is done first, the error is both ctx's error and ErrNoAnswer.
func (b Box) Await(ctx context.Context, request string) (Answer, error) {
	return b.AwaitWhile(ctx, request, 0)
}

// AwaitWhile is Await, but returns ErrParentGone when the process parent dies; 0 watches no process.
func (b Box) AwaitWhile(ctx context.Context, request string, parent int) (Answer, error) {
	path, err := b.answerPath(request)
	if err != nil {
		return Answer{}, err
	}
	// A pipe, because a user has few inotify instances and a fleet has many open requests. The pipe stays, because
	// another process may await the same answer.
	if err := makeFIFO(path + ".bell"); err != nil {
		return Answer{}, fmt.Errorf("await answer: %w", err)
	}
	p, err := openPipe(path + ".bell")
	if err != nil {
		return Answer{}, fmt.Errorf("await answer: %w", err)
	}
	defer p.close()
	for {
		a, err := readAnswer(path)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return a, err
		}
		err = wait(ctx, parent, p.r)
		// The ring stays in the pipe for others who await the same answer.
		if a, late := readAnswer(path); late == nil {
			return a, nil // even if it came just when ctx ended
		}
		if err == nil {
			p.drain() // the ring was not for an answer
			continue
		}
		if ctx.Err() != nil {
			return Answer{}, fmt.Errorf("request %s: %w: %w", request, ErrNoAnswer, err)
		}
		return Answer{}, fmt.Errorf("request %s: %w", request, err)
	}
}

// answerPath returns the path of a request's files without suffix. The id comes from the caller of a hook and must not
// lead out of the directory.
func (b Box) answerPath(request string) (string, error) {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
	if request == "" || len(request) > 80 || strings.Trim(request, letters) != "" {
		return "", fault.New(fault.Usage, "%q is not the id of a request", request).
			WithHint("Take the id from `muster show`.")
	}
	return filepath.Join(b.answers(), request), nil
}

func readAnswer(path string) (Answer, error) {
	var a Answer
	err := readJSON(path+".json", &a)
	return a, err
}

func writeJSON(path string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return replace.Durable(path, append(raw, '\n'))
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
