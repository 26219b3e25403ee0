package tmux_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"muster/internal/testkit/await"
	"muster/internal/tmux"
)

// parentOf is an environment variable that makes this test binary a supervisor: it connects to the socket that the
// variable names, reports that, and waits to be killed.
const parentOf = "TMUX_TEST_PARENT_OF"

// leak is in the environment of this process and must not be in any pane.
const leak = "TMUX_TEST_LEAK"

func TestMain(m *testing.M) {
	if socket := os.Getenv(parentOf); socket != "" {
		beParent(socket)
		return
	}
	if err := os.Setenv(leak, "secret"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

func beParent(socket string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := tmux.New(tmux.Config{Socket: socket, Env: os.Environ()}).Connect(ctx)
	if err != nil {
		fmt.Println("error", err)
		return
	}
	fmt.Println("connected")
	<-ctx.Done()
	c.Close()
}

// open starts argv in its own session.
func open(t testing.TB, c *tmux.Client, dir, session string, argv ...string) tmux.Pane {
	t.Helper()
	p, err := c.Open(t.Context(), tmux.OpenSpec{
		Session: session, Window: "agent", Dir: dir, Argv: argv, Task: session, Gen: 1,
	})
	if err != nil {
		t.Fatalf("open %s: %v", session, err)
	}
	return p
}

// sleeper is a program that only waits.
var sleeper = []string{"sleep", "1000"}

// do calls Client.Do and fails the test on an error.
func do(t testing.TB, c *tmux.Client, args ...string) []string {
	t.Helper()
	out, err := c.Do(t.Context(), args...)
	if err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	return out
}

// pane returns a pane, which must exist.
func pane(t testing.TB, c *tmux.Client, id tmux.PaneID) tmux.Pane {
	t.Helper()
	p, err := c.Pane(t.Context(), id)
	if err != nil {
		t.Fatalf("pane %s: %v", id, err)
	}
	return p
}

// content waits until a file exists and ok accepts its content, and returns the content.
func content(t testing.TB, path string, ok func(string) bool) string {
	t.Helper()
	text := ""
	await.Until(t, path+" is written", func() bool {
		b, err := os.ReadFile(path)
		text = string(b)
		return err == nil && ok(text)
	})
	return text
}
