package forge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"muster/internal/fault"
	"muster/internal/life"
	"muster/internal/run"
	"muster/internal/text"
)

// protocol is the version of what a program is asked and answers.
const protocol = 1

// Limits of what a program answers.
const (
	maxProgram = 8 << 20 // bytes
	mostOfEach = 1000    // checks, and words, of one change
)

// Command is a forge that a program of the user stands for. The program gets one request as JSON on its standard input, answers it in JSON
// on its standard output, and ends. It is safe for concurrent use.
type Command struct {
	argv []string
	env  []string
}

// NewCommand returns the forge that a program stands for. Without such a program the error is a fault.Conflict.
func NewCommand(argv, env []string) (*Command, error) {
	path, err := run.LookPath(argv[0], env)
	if err != nil {
		return nil, fault.Wrap(fault.Conflict, err, "there is no program %s, which stands for a forge", argv[0]).WithHint("Write its whole path into [forges] of config.toml.")
	}
	return &Command{argv: append([]string{path}, argv[1:]...), env: env}, nil
}

// For returns the forge at a host: what a program stands for if there is one, and GitHub otherwise.
func For(program, env []string) (Forge, error) {
	if len(program) > 0 {
		return NewCommand(program, env)
	}
	return New(env)
}

// Request is what a program is asked.
type Request struct {
	Version int    `json:"version"`
	Do      string `json:"do"` // check, find, create, poll, may_write or log
	Host    string `json:"host"`
	Repo    string `json:"repo"` // OWNER/NAME
	// Of find and create.
	Head   string `json:"head,omitempty"`
	Base   string `json:"base,omitempty"`
	Commit string `json:"commit,omitempty"` // of head
	Title  string `json:"title,omitempty"`
	Body   string `json:"body,omitempty"`

	Numbers []int  `json:"numbers,omitempty"` // of poll
	Login   string `json:"login,omitempty"`   // of may_write
	Job     string `json:"job,omitempty"`     // of log
}

// Response is what a program answers.
type Response struct {
	// Error says that the request was not carried out. The other fields do not count then.
	Error *ProgramError `json:"error,omitempty"`
	// Of check.
	Login    string `json:"login,omitempty"`
	Push     bool   `json:"push,omitempty"`
	Archived bool   `json:"archived,omitempty"`
	// Changes are those of find and poll, and the one of create.
	Changes []ProgramChange `json:"changes,omitempty"`

	May  bool   `json:"may,omitempty"`  // of may_write
	Text string `json:"text,omitempty"` // of log
}

// ProgramError is why a program has not carried out a request.
type ProgramError struct {
	Class   Class  `json:"class"`
	Message string `json:"message"`
	Wait    int    `json:"wait,omitempty"` // seconds until the next request
}

// ProgramChange is a change as a program shows it.
type ProgramChange struct {
	Number int    `json:"number"`
	URL    string `json:"url,omitempty"`
	State  string `json:"state"` // open, merged or closed
	Why    string `json:"why,omitempty"`
	Head   string `json:"head,omitempty"`
	Base   string `json:"base,omitempty"`
	Commit string `json:"commit,omitempty"`
	// Repo is OWNER/NAME of the branch; "" is the one that was asked for.
	Repo     string         `json:"repo,omitempty"`
	Conflict bool           `json:"conflict,omitempty"`
	Checks   []ProgramCheck `json:"checks,omitempty"`
	Words    []ProgramWord  `json:"words,omitempty"`
}

// ProgramCheck is a check of the newest commit of a change.
type ProgramCheck struct {
	Name  string    `json:"name"`
	State string    `json:"state"` // pending, passed, failed or void
	Why   string    `json:"why,omitempty"`
	Link  string    `json:"link,omitempty"`
	Began time.Time `json:"began,omitzero"`
	Ended time.Time `json:"ended,omitzero"`
	Job   string    `json:"job,omitempty"` // what log is asked for
}

// ProgramWord is what a person wrote.
type ProgramWord struct {
	ID      string    `json:"id"`
	Author  string    `json:"author"`
	Text    string    `json:"text"`
	Path    string    `json:"path,omitempty"`
	Line    int       `json:"line,omitempty"`
	At      time.Time `json:"at"`
	Trusted bool      `json:"trusted,omitempty"` // its author may write to the repository
}

// ask runs the program once.
func (c *Command) ask(ctx context.Context, r Repo, q Request) (Response, error) {
	var out Response
	q.Version, q.Host, q.Repo = protocol, r.Host, r.Owner+"/"+r.Name
	in, err := json.Marshal(q)
	if err != nil {
		return out, err
	}
	cmd := run.Cmd{Argv: c.argv, Env: c.env, Stdin: bytes.NewReader(append(in, '\n')), Timeout: writeTimeout, MaxOutput: maxProgram}
	res, err := run.Do(ctx, cmd)
	x, exited := errors.AsType[*run.ExitError](err)
	name := filepath.Base(c.argv[0])
	broken := func(format string, args ...any) (Response, error) {
		return Response{}, &Error{Class: Unreachable, Message: text.Line(name+" "+fmt.Sprintf(format, args...), maxMessage)}
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		return broken("did not answer in time")
	case err != nil && !exited:
		return out, fmt.Errorf("run %s: %w", name, err)
	case res.Truncated:
		return out, fmt.Errorf("%w: more than %d MiB", ErrTooLarge, maxProgram>>20)
	}
	bad := json.Unmarshal(res.Stdout, &out)
	switch {
	case bad == nil && out.Error != nil:
		return Response{}, out.Error.fault()
	case exited:
		return broken("%s: %s", text.Exited(x.Exit, int(x.Signal)), x.Stderr)
	case bad != nil:
		return broken("answers no JSON: %v", bad)
	}
	return out, nil
}

// fault returns the error. A class that is not known is that of a forge that is down: nothing is given up for it.
func (e ProgramError) fault() *Error {
	out := &Error{Class: e.Class, Message: text.Line(e.Message, maxMessage), Wait: time.Duration(min(max(e.Wait, 0), 24*60*60)) * time.Second}
	if !slices.Contains([]Class{Unreachable, Limited, Login, Forbidden, Refused}, e.Class) {
		out.Class = Unreachable
	}
	if out.Message == "" {
		out.Message = "without words"
	}
	return out
}

// Check implements Forge.
func (c *Command) Check(ctx context.Context, r Repo) (Access, error) {
	a, err := c.ask(ctx, r, Request{Do: "check"})
	return Access{Name: text.Field(a.Login, 100), Push: a.Push, Archive: a.Archived}, err
}

// Find implements Forge.
func (c *Command) Find(ctx context.Context, r Repo, d Draft) ([]Pull, error) {
	a, err := c.ask(ctx, r, Request{Do: "find", Head: d.Head, Base: d.Base, Commit: d.Commit})
	if err != nil {
		return nil, err
	}
	var out []Pull
	for _, p := range a.Changes[:min(len(a.Changes), mostOfEach)] {
		if p.known() {
			out = append(out, p.pull(r))
		}
	}
	return out, nil
}

// Create implements Forge.
func (c *Command) Create(ctx context.Context, r Repo, d Draft) (Pull, error) {
	a, err := c.ask(ctx, r, Request{Do: "create", Head: d.Head, Base: d.Base, Commit: d.Commit, Title: d.Title, Body: d.Body})
	if err != nil {
		return Pull{}, err
	}
	if len(a.Changes) != 1 || !a.Changes[0].known() {
		return Pull{}, &Error{Class: Unreachable, Message: "the answer to create names no change"}
	}
	return a.Changes[0].pull(r), nil
}

// states are the words for the state of a change.
var states = map[string]life.ReviewPhase{"open": life.ReviewOpen, "merged": life.ReviewMerged, "closed": life.ReviewClosed}

func (p ProgramChange) known() bool { return p.Number > 0 && states[p.State] != "" }

func (p ProgramChange) pull(r Repo) Pull {
	out := Pull{Number: p.Number, URL: text.Field(p.URL, 300), State: p.State, Merged: p.State == "merged", Commit: p.Commit, Head: p.Head, Base: p.Base, Repo: p.Repo}
	if p.State != "open" {
		out.State = "closed"
	}
	if out.Repo == "" {
		out.Repo = r.Owner + "/" + r.Name
	}
	return out
}

// Poll implements Forge. A change of which the program says nothing is left out.
func (c *Command) Poll(ctx context.Context, r Repo, numbers []int) (Polled, error) {
	numbers = numbers[:min(len(numbers), MostAtOnce)]
	out := Polled{Changes: map[int]life.Change{}}
	a, err := c.ask(ctx, r, Request{Do: "poll", Numbers: numbers})
	if err != nil {
		return out, err
	}
	for _, p := range a.Changes[:min(len(a.Changes), mostOfEach)] {
		if p.known() && slices.Contains(numbers, p.Number) {
			out.Changes[p.Number] = p.change()
		}
	}
	return out, nil
}

// checkStates are the words for the verdict of a check.
var checkStates = map[string]life.CheckState{"pending": life.CheckPending, "passed": life.CheckPassed, "failed": life.CheckFailed, "void": life.CheckVoid}

// change returns the state in the words of life. Everything in it is foreign text; life cleans what it shows.
func (p ProgramChange) change() life.Change {
	c := life.Change{Phase: states[p.State], Head: p.Commit, Base: p.Base, Conflict: p.Conflict}
	if c.Phase == life.ReviewClosed {
		c.Why = text.Field(p.Why, 100)
		if c.Why == "" {
			c.Why = "somebody closed it"
		}
	}
	for _, k := range p.Checks[:min(len(p.Checks), mostOfEach)] {
		state, ok := checkStates[k.State]
		if !ok {
			state = life.CheckVoid
		}
		c.Checks = append(c.Checks, life.ChangeCheck{Name: k.Name, State: state, Why: k.Why, Link: k.Link, Began: k.Began, Ended: k.Ended, Job: text.Field(k.Job, maxID)})
	}
	for _, w := range p.Words[:min(len(p.Words), mostOfEach)] {
		if validWord(w.ID, w.Text) && w.Author != "" {
			c.Words = append(c.Words, life.ChangeWord{ID: w.ID, Author: w.Author, Text: w.Text, Path: w.Path, Line: w.Line, At: w.At, Trusted: w.Trusted})
		}
	}
	return c
}

// MayWrite implements Forge.
func (c *Command) MayWrite(ctx context.Context, r Repo, login string) (bool, error) {
	a, err := c.ask(ctx, r, Request{Do: "may_write", Login: login})
	return a.May, err
}

// Log implements Forge.
func (c *Command) Log(ctx context.Context, r Repo, job string) string {
	a, err := c.ask(ctx, r, Request{Do: "log", Job: job})
	if err != nil {
		return ""
	}
	return text.Excerpt([]byte(a.Text), maxLog)
}

// validWord reports whether what somebody wrote may be fed back: it is not empty and not muster's own, and its id fits into the log.
func validWord(id, body string) bool {
	return strings.TrimSpace(body) != "" && !strings.Contains(body, Marker) && id != "" && len(id) <= maxID && !strings.ContainsAny(id, " \n")
}
