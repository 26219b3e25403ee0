package post

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"path/filepath"
	"runtime"

	"muster/internal/environ"
	"muster/internal/host"
	"muster/internal/notify"
	"muster/internal/run"
	"muster/internal/text"
)

// command runs a program with the message as JSON on its standard input.
func (c Channel) command(ctx context.Context, m notify.Text) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return start(ctx, run.Cmd{Argv: c.Command, Env: c.env, Stdin: bytes.NewReader(append(data, '\n'))})
}

// start runs a program of a channel. Its error does not have the arguments.
func start(ctx context.Context, cmd run.Cmd) error {
	program := filepath.Base(cmd.Argv[0])
	path, err := run.LookPath(cmd.Argv[0], cmd.Env)
	if err != nil {
		return fmt.Errorf("there is no program %s", program)
	}
	cmd.Argv = append([]string{path}, cmd.Argv[1:]...)
	cmd.Timeout, cmd.MaxOutput = sendLimit, mostAnswer
	_, err = run.Do(ctx, cmd)
	if e, ok := errors.AsType[*run.ExitError](err); ok {
		return fmt.Errorf("%s %s: %s", program, text.Exited(e.Exit, int(e.Signal)), e.Stderr)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s has not ended in %v", program, sendLimit)
	}
	return err
}

// script is what osascript runs. The text is not in it, but in its arguments.
const script = `on run words
display notification (item 2 of words) with title (item 1 of words)
end run`

// mostShown bounds the text of a notice on a desktop, in bytes.
const mostShown = 1000

// desktop shows the message on the desktop of the user that the fleet belongs to.
func (c Channel) desktop(ctx context.Context, m notify.Text) error {
	title, body := text.Cut(m.Title, mostShown), text.Cut(m.Text, mostShown)
	argv := []string{"osascript", "-e", script, title, body}
	env := c.env
	if runtime.GOOS != "darwin" {
		// The body may have markup, so what looks like it is escaped.
		argv = []string{"notify-send", "--app-name=muster", "--", title, html.EscapeString(body)}
		// tmux and a shell by ssh do not know the bus of the desktop, which has a usual place.
		bus := "unix:path=" + filepath.Join(host.RuntimeDir(), "bus")
		env = environ.With(env, map[string]string{"DBUS_SESSION_BUS_ADDRESS": bus})
	}
	return start(ctx, run.Cmd{Argv: argv, Env: env})
}
