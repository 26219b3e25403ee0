package control

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"muster/internal/fault"
	"muster/internal/lock"
	"muster/internal/regular"
	"muster/internal/replace"
	"muster/internal/text"
)

// A page, and the JSON API beside it, is entered by a pass, which is good once, or by a token. Both are random, and only their
// hashes are stored, below the state directory and for its owner alone.

const (
	// passFor is how long a pass is good.
	passFor = 2 * time.Minute
	// mostTokens bounds the list of tokens.
	mostTokens = 100
	// maxDoorFile bounds each file of the directory, in bytes.
	maxDoorFile = 1 << 20
	// tokenMark begins every token, so that it can be recognised where it should not be.
	tokenMark = "muster_"
)

// WebAt says where the page of a fleet is served.
type WebAt struct {
	Base   string `json:"base"` // URL without a path, such as http://127.0.0.1:7331
	Socket string `json:"socket,omitempty"`
	PID    int    `json:"pid"`
}

// Token lets a program use the JSON API.
type Token struct {
	Name     string    `json:"name"`
	Created  time.Time `json:"created"`
	ReadOnly bool      `json:"read_only"`
	Hash     string    `json:"hash"` // SHA-256 of the token, in hexadecimal
}

// secret returns a new random text of 256 bits.
func secret() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // it never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

func hashOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// webFile returns the path of a file in the directory of the page, which it makes if it is missing.
func (c *Control) webFile(name string) (string, error) {
	dir := c.home.WebDir()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fault.Wrap(fault.Failed, err, "make the directory of the page").WithHint("Make %s writable.", c.home)
	}
	return filepath.Join(dir, name), nil
}

// passPrefix begins the name of the file of a pass.
const passPrefix = "pass-"

// NewPass returns a code that lets one person in, once and within two minutes.
func (c *Control) NewPass() (string, error) {
	if err := c.outside("muster web"); err != nil {
		return "", err
	}
	code := secret()
	path, err := c.webFile(passPrefix + hashOf(code))
	if err != nil {
		return "", err
	}
	c.sweepPasses()
	end := c.caller.Now().Add(passFor).UTC().Format(time.RFC3339Nano)
	if err := replace.Quick(path, []byte(end)); err != nil {
		return "", fault.Wrap(fault.Failed, err, "write the code of a link").WithHint("Make %s writable, and free some space.", c.home)
	}
	return code, nil
}

// UsePass reports whether a code is good, and makes sure that it is not good again. Of several callers with the same code one
// gets true.
func (c *Control) UsePass(code string) bool {
	path := filepath.Join(c.home.WebDir(), passPrefix+hashOf(code))
	good := c.passIsGood(path)
	return os.Remove(path) == nil && good
}

// passIsGood reports whether the file of a pass is there and its time is not over.
func (c *Control) passIsGood(path string) bool {
	data, err := regular.Read(path, maxDoorFile)
	if err != nil {
		return false
	}
	end, err := time.Parse(time.RFC3339Nano, string(data))
	now := c.caller.Now()
	return err == nil && now.Before(end) && end.Sub(now) <= passFor // a clock that was set back must not prolong it
}

// sweepPasses removes the files of passes that were never used.
func (c *Control) sweepPasses() {
	files, err := filepath.Glob(filepath.Join(c.home.WebDir(), passPrefix+"*"))
	if err != nil {
		return
	}
	for _, path := range files {
		if !c.passIsGood(path) {
			_ = os.Remove(path) // it opens nothing in any case
		}
	}
}

// Place is the place of the one process that serves the page of a fleet. It is free again after Release, or when the process ends.
type Place struct {
	held *os.File
	note string
}

// Serving takes the place of the process that serves the page. fault.Conflict means that another process has it.
func (c *Control) Serving() (*Place, error) {
	if err := c.outside("muster web"); err != nil {
		return nil, err
	}
	path, err := c.webFile("lock")
	if err != nil {
		return nil, err
	}
	held, err := lock.Take(path)
	if errors.Is(err, lock.ErrHeld) {
		return nil, fault.New(fault.Conflict, "the page of this fleet is served already").
			WithHint("`muster web --link` prints a link to it.")
	}
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "take the place of the page")
	}
	p := &Place{held: held, note: filepath.Join(c.home.WebDir(), "at.json")}
	_ = os.Remove(p.note) // of a process that was killed
	return p, nil
}

// Note notes where the page is served, for Served.
func (p *Place) Note(at WebAt) error {
	at.PID = os.Getpid()
	data, err := json.Marshal(at)
	if err == nil {
		err = replace.Quick(p.note, data)
	}
	if err != nil {
		return fault.Wrap(fault.Failed, err, "note where the page is served").WithHint("Make %s writable, and free some space.", filepath.Dir(p.note))
	}
	return nil
}

// Release frees the place.
func (p *Place) Release() {
	_ = os.Remove(p.note)
	lock.Release(p.held)
}

// Served returns where the page of the fleet is served. fault.NotFound means that it is not.
func (c *Control) Served() (at WebAt, err error) {
	none := fault.New(fault.NotFound, "no page of this fleet is served").WithHint("Serve one with `muster web`, or with `muster web --stay` in the background.")
	held, err := lock.Held(filepath.Join(c.home.WebDir(), "lock"))
	if err != nil || !held {
		return at, none
	}
	data, err := regular.Read(filepath.Join(c.home.WebDir(), "at.json"), maxDoorFile)
	if err != nil {
		return at, none
	}
	if err := json.Unmarshal(data, &at); err != nil {
		return at, fault.Wrap(fault.Failed, err, "read where the page is served")
	}
	return at, nil
}

// servedAgain is the pause between two looks for a page where its directory cannot be watched, or where nothing has happened in it.
const servedAgain = time.Second

// AwaitServed returns when the page of the fleet is served, or with the error of ctx.
func (c *Control) AwaitServed(ctx context.Context) error {
	dir, err := c.webFile("")
	if err != nil {
		return err
	}
	// Without a watch, of which a user may have few, it looks again after a pause.
	var noted <-chan fsnotify.Event
	if w, err := fsnotify.NewWatcher(); err == nil {
		defer func() { _ = w.Close() }() // only ever read from
		if w.Add(dir) == nil {
			noted = w.Events
		}
	}
	for {
		if _, err := c.Served(); err == nil {
			return nil
		}
		timer := time.NewTimer(servedAgain)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case _, ok := <-noted:
			if !ok {
				noted = nil
			}
		}
		timer.Stop()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// Tokens returns the tokens of the JSON API, oldest first.
func (c *Control) Tokens() ([]Token, error) {
	path := filepath.Join(c.home.WebDir(), "tokens.json")
	data, err := regular.Read(path, maxDoorFile)
	if errors.Is(err, fs.ErrNotExist) {
		return []Token{}, nil
	}
	all := []Token{}
	if err == nil {
		err = json.Unmarshal(data, &all)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "read the tokens").WithHint("Repair %s, or remove it: then no token is good.", path)
	}
	return all, nil
}

// NewToken makes a token with a name. The token itself is returned once and stored nowhere.
func (c *Control) NewToken(ctx context.Context, name string, readOnly bool) (t Token, token string, err error) {
	if name == "" || name != text.Field(name, 64) || strings.TrimSpace(name) != name {
		return t, "", fault.New(fault.Usage, "the name of a token is one line of at most 64 characters").WithHint("Name the program that uses it: muster web token new dashboard")
	}
	token = tokenMark + secret()
	t = Token{Name: name, Created: c.caller.Now().UTC(), ReadOnly: readOnly, Hash: hashOf(token)}
	err = c.changeTokens(ctx, func(all []Token) ([]Token, error) {
		switch {
		case slices.ContainsFunc(all, func(o Token) bool { return o.Name == name }):
			return nil, fault.New(fault.Conflict, "there is a token %q already", name).WithHint("Take another name, or revoke it: muster web token revoke %s", text.Quote(name))
		case len(all) >= mostTokens:
			return nil, fault.New(fault.Conflict, "there are %d tokens already", len(all)).WithHint("Revoke one that is not used: muster web token list")
		}
		return append(all, t), nil
	})
	if err != nil {
		return Token{}, "", err
	}
	return t, token, nil
}

// RevokeToken removes a token. It is not good from the next request on.
func (c *Control) RevokeToken(ctx context.Context, name string) error {
	return c.changeTokens(ctx, func(all []Token) ([]Token, error) {
		i := slices.IndexFunc(all, func(t Token) bool { return t.Name == name })
		if i < 0 {
			return nil, fault.New(fault.NotFound, "there is no token %q", name).WithHint("`muster web token list` lists them.")
		}
		return slices.Delete(all, i, i+1), nil
	})
}

// TokenOf returns the stored token that a program has shown. found is false if there is none.
func (c *Control) TokenOf(shown string) (t Token, found bool, err error) {
	if !strings.HasPrefix(shown, tokenMark) {
		return t, false, nil
	}
	all, err := c.Tokens()
	if err != nil {
		return t, false, err
	}
	hash := hashOf(shown)
	for _, o := range all {
		if subtle.ConstantTimeCompare([]byte(o.Hash), []byte(hash)) == 1 {
			t, found = o, true
		}
	}
	return t, found, nil
}

// changeTokens replaces the list of tokens. Only a person may do that.
func (c *Control) changeTokens(ctx context.Context, change func([]Token) ([]Token, error)) error {
	if err := c.outside("muster web token"); err != nil {
		return err
	}
	path, err := c.webFile("tokens.json")
	if err != nil {
		return err
	}
	held, err := lock.Wait(ctx, path+".lock")
	if err != nil {
		return fmt.Errorf("wait for another change of the tokens: %w", err)
	}
	defer lock.Release(held)
	all, err := c.Tokens()
	if err != nil {
		return err
	}
	if all, err = change(all); err != nil {
		return err
	}
	data, err := json.MarshalIndent(all, "", "  ")
	if err == nil {
		err = replace.Durable(path, append(data, '\n'))
	}
	if err != nil {
		return fault.Wrap(fault.Failed, err, "store the tokens").WithHint("Make %s writable, and free some space.", c.home)
	}
	return nil
}
