package control

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/internal/boot"
	"muster/internal/environ"
	"muster/internal/fault"
)

// door returns a fleet of its own whose clock the test turns.
func door(t *testing.T, more ...string) (*Control, *time.Time) {
	t.Helper()
	now := time.Date(2026, 11, 26, 22, 0, 0, 0, time.UTC)
	home := filepath.Join(t.TempDir(), "home")
	c, err := Open(boot.Caller{Environ: append([]string{environ.Home + "=" + home}, more...), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, &now
}

func TestAPassIsGoodOnceAndForTwoMinutes(t *testing.T) {
	t.Parallel()
	c, now := door(t)
	code, err := c.NewPass()
	if err != nil {
		t.Fatal(err)
	}
	if c.UsePass("") || c.UsePass(code[1:]) || c.UsePass("../tokens.json") {
		t.Error("another code is good")
	}
	var good sync.Map
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if c.UsePass(code) {
				good.Store(i, true)
			}
		})
	}
	all.Wait()
	n := 0
	good.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("the code was good %d times", n)
	}
	late, err := c.NewPass()
	if err != nil {
		t.Fatal(err)
	}
	*now = now.Add(passFor + time.Second)
	if c.UsePass(late) {
		t.Error("a code is good after its time")
	}
	early, err := c.NewPass()
	if err != nil {
		t.Fatal(err)
	}
	*now = now.Add(-time.Hour)
	if c.UsePass(early) {
		t.Error("a clock that was set back prolongs a code")
	}
	if _, err := c.NewPass(); err != nil {
		t.Fatal(err)
	}
	*now = now.Add(time.Hour)
	if _, err := c.NewPass(); err != nil {
		t.Fatal(err)
	}
	if files, _ := filepath.Glob(filepath.Join(c.home.WebDir(), "pass-*")); len(files) != 1 {
		t.Errorf("codes that nobody used stay: %q", files)
	}
}

func TestOnlyTheHashOfATokenIsStored(t *testing.T) {
	t.Parallel()
	c, _ := door(t)
	_, token, err := c.NewToken(t.Context(), "dashboard", true)
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(string(c.home), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if strings.Contains(string(data), strings.TrimPrefix(token, tokenMark)) {
			t.Errorf("%s has the token", path)
		}
		if info, err := d.Info(); err == nil && strings.HasPrefix(path, c.home.WebDir()) && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has the mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(c.home.WebDir()); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("the directory: %v, %v", st.Mode(), err)
	}
	if got, found, err := c.TokenOf(token); err != nil || !found || got.Name != "dashboard" || !got.ReadOnly {
		t.Errorf("the token is %+v, %v, %v", got, found, err)
	}
	for _, other := range []string{"", tokenMark, token + "x", token[:len(token)-1], hashOf(token)} {
		if _, found, err := c.TokenOf(other); found || err != nil {
			t.Errorf("%q is a token: %v", other, err)
		}
	}
	if _, _, err := c.NewToken(t.Context(), "dashboard", false); !fault.Is(err, fault.Conflict) {
		t.Errorf("a second token of the name: %v", err)
	}
	for _, name := range []string{"", " x", "a\nb", "a\x1bb", strings.Repeat("x", 65)} {
		if _, _, err := c.NewToken(t.Context(), name, false); !fault.Is(err, fault.Usage) {
			t.Errorf("the name %q: %v", name, err)
		}
	}
	if err := c.RevokeToken(t.Context(), "dashboard"); err != nil {
		t.Fatal(err)
	}
	if _, found, _ := c.TokenOf(token); found {
		t.Error("a revoked token is good")
	}
	if err := c.RevokeToken(t.Context(), "dashboard"); !fault.Is(err, fault.NotFound) {
		t.Errorf("revoked again: %v", err)
	}
}

func TestADamagedListOfTokensLetsNobodyIn(t *testing.T) {
	t.Parallel()
	c, _ := door(t)
	_, token, err := c.NewToken(t.Context(), "a", false)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.home.WebDir(), "tokens.json"), []byte("[{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, found, err := c.TokenOf(token); found || err == nil {
		t.Errorf("found %v, %v", found, err)
	}
	if _, _, err := c.NewToken(t.Context(), "b", false); err == nil {
		t.Error("a damaged list was replaced")
	}
}

func TestOneProcessServesThePageOfAFleet(t *testing.T) {
	t.Parallel()
	c, _ := door(t)
	if _, err := c.Served(); !fault.Is(err, fault.NotFound) {
		t.Errorf("served before: %v", err)
	}
	place, err := c.Serving()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Served(); !fault.Is(err, fault.NotFound) {
		t.Errorf("served before it listens: %v", err)
	}
	if err := place.Note(WebAt{Base: "http://127.0.0.1:1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Serving(); !fault.Is(err, fault.Conflict) {
		t.Errorf("served twice: %v", err)
	}
	if at, err := c.Served(); err != nil || at.Base != "http://127.0.0.1:1" || at.PID != os.Getpid() {
		t.Errorf("served at %+v, %v", at, err)
	}
	place.Release()
	if _, err := c.Served(); !fault.Is(err, fault.NotFound) {
		t.Errorf("served after: %v", err)
	}
}

func TestAnAgentOpensNoDoor(t *testing.T) {
	t.Parallel()
	c, _ := door(t, environ.Task+"=t1")
	_, pass := c.NewPass()
	_, _, token := c.NewToken(t.Context(), "x", false)
	_, serve := c.Serving()
	for _, err := range []error{pass, token, serve, c.RevokeToken(t.Context(), "x")} {
		if !fault.Is(err, fault.Conflict) {
			t.Errorf("an agent is not refused: %v", err)
		}
	}
	if _, err := os.Stat(c.home.WebDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was written: %v", err)
	}
}
