package tmux

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"muster/internal/fault"
	"muster/internal/text"
)

// refusal is printed instead of sending, followed by whether the pane is dead.
const refusal = "refused "

// guarded sends commands to a pane only if it is alive and the format unless is false. The server decides in the same
// command: before 3.4 a paste into a dead pane ends the server. The answer has one block more than there are
// commands, and the last one shows whether they were sent.
func guarded(id PaneID, unless string, commands ...[]string) string {
	var send, refuse []string
	for _, args := range commands {
		send = append(send, line(args...))
		refuse = append(refuse, line("display-message", "-p", "-t", string(id), refusal+"#{pane_dead}"))
	}
	return line("if-shell", "-F", "-t", string(id), "#{||:#{pane_dead},"+unless+"}",
		strings.Join(refuse, " ; "), strings.Join(send, " ; "))
}

// refused returns the error in the answer of guarded.
func refused(id PaneID, blocks [][]string) error {
	last := strings.Join(blocks[len(blocks)-1], "")
	switch {
	case !strings.HasPrefix(last, refusal):
		return nil
	case last == refusal+"1":
		return fmt.Errorf("pane %s: %w", id, ErrDeadPane)
	}
	return fmt.Errorf("pane %s: %w", id, ErrInMode)
}

// Paste pastes texts into the pane's program, each as a bracketed paste of its own, all in one command of the server.
// Texts are cleaned and keep their line feeds. No key follows. ErrDeadPane and ErrInMode mean that nothing was sent.
// A nil error means that tmux accepted the texts, not that the program read them; Pane.Pasted then has the beginning
// of the first one. Programs without bracketed paste get plain lines.
func (c *Client) Paste(ctx context.Context, id PaneID, texts ...string) error {
	if err := id.Check(); err != nil {
		return err
	}
	texts = slices.Clone(texts)
	for i, t := range texts {
		texts[i] = text.Paste(t)
	}
	texts = slices.DeleteFunc(texts, func(t string) bool { return t == "" })
	if len(texts) == 0 {
		return fault.New(fault.Usage, "nothing to paste into pane %s", id)
	}
	var load, names []string
	var commands [][]string
	for _, text := range texts {
		name := c.bufferName()
		path := filepath.Join(c.dir, pastePrefix+name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return fmt.Errorf("paste into pane %s: %w", id, err)
		}
		defer func() { _ = os.Remove(path) }()
		names = append(names, name)
		load = append(load, line("load-buffer", "-b", name, literal(path)))
		commands = append(commands, []string{"paste-buffer", "-d", "-p", "-r", "-b", name, "-t", string(id)})
	}
	commands = append(commands, []string{"set-option", "-p", "-t", string(id), pastedOption, encode(texts[0][:min(len(texts[0]), pastedLength)])})
	blocks, err := c.send(ctx, len(load)+len(commands)+1, "paste-buffer",
		strings.Join(load, " ; ")+" ; "+guarded(id, "#{pane_in_mode}", commands...))
	if err == nil {
		err = refused(id, blocks)
	}
	if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		for _, name := range names {
			_, _ = c.Do(ctx, "delete-buffer", "-b", name) // usually paste-buffer -d has deleted it
		}
	}
	return err
}

// pastePrefix is the prefix of the names of the files with pasted texts.
const pastePrefix = "paste-"

// removeLeftPastes removes the files of processes that were killed during a paste.
func removeLeftPastes(dir string) {
	files, err := filepath.Glob(filepath.Join(dir, pastePrefix+"m*_*"))
	if err != nil {
		return
	}
	for _, f := range files {
		name := strings.TrimPrefix(filepath.Base(f), pastePrefix+"m")
		pid, err := strconv.Atoi(name[:strings.IndexByte(name, '_')])
		if _, alive := processStart(pid); err == nil && !alive {
			_ = os.Remove(f) // another process may remove it, too
		}
	}
}

// bufferName returns a name that is unique among all running processes.
func (c *Client) bufferName() string {
	return "m" + strconv.Itoa(os.Getpid()) + "_" + strconv.FormatUint(c.buffers.Add(1), 10)
}

// Keys presses keys by name: Enter, Escape, Tab, BTab, BSpace, Space, Up, Down, Left, Right, Home, End, PageUp,
// PageDown, F1 to F12, one printable ASCII character, and C- or M- before a character. Other names are refused,
// because tmux types an unknown name as text. ErrDeadPane and ErrInMode mean that nothing was sent.
func (c *Client) Keys(ctx context.Context, id PaneID, keys ...string) error {
	if err := id.Check(); err != nil {
		return err
	}
	if err := CheckKeys(keys); err != nil {
		return err
	}
	// Unlike a paste, keys reach all panes that a person has synchronized.
	unless := "#{||:#{pane_in_mode},#{pane_synchronized}}"
	blocks, err := c.send(ctx, 2, "send-keys",
		guarded(id, unless, append([]string{"send-keys", "-t", string(id), "--"}, keys...)))
	if err != nil {
		return err
	}
	return refused(id, blocks)
}

// CheckKeys returns a fault.Usage for keys that Keys refuses.
func CheckKeys(keys []string) error {
	if len(keys) == 0 {
		return fault.New(fault.Usage, "no keys to press")
	}
	for _, k := range keys {
		if !isKey(k) {
			return fault.New(fault.Usage, "not a key that every tmux knows: %q", k)
		}
	}
	return nil
}

// isKey reports whether every release of tmux knows the key by this name.
func isKey(k string) bool {
	switch k {
	case "Enter", "Escape", "Tab", "BTab", "BSpace", "Space", "Up", "Down", "Left", "Right", "Home", "End",
		"PageUp", "PageDown", "F1", "F2", "F3", "F4", "F5", "F6", "F7", "F8", "F9", "F10", "F11", "F12":
		return true
	}
	if len(k) == 3 && (k[:2] == "C-" || k[:2] == "M-") {
		low := k[2] >= 'a' && k[2] <= 'z'
		return low || (k[0] == 'M' && k[2] > ' ' && k[2] < 0x7f)
	}
	return len(k) == 1 && k[0] > ' ' && k[0] < 0x7f
}

// Capture returns the text of the visible screen and up to lines of scrollback before it, with wrapped lines joined
// and without trailing spaces. It works on dead panes. The text is evidence of what an agent does, but no proof.
func (c *Client) Capture(ctx context.Context, id PaneID, lines int) (string, error) {
	if lines > 0 {
		return c.capture(ctx, id, "-J", "-S", "-"+strconv.Itoa(lines))
	}
	return c.capture(ctx, id, "-J")
}

// CaptureStyled returns the visible screen as Capture does, with the escape sequences of its colours and attributes.
func (c *Client) CaptureStyled(ctx context.Context, id PaneID) (string, error) {
	return c.capture(ctx, id, "-J", "-e")
}

// CaptureRows returns the rows of the visible screen as they are drawn, with the escape sequences of their colours and
// attributes. Unlike with Capture, a wrapped line is several rows.
func (c *Client) CaptureRows(ctx context.Context, id PaneID) (string, error) {
	return c.capture(ctx, id, "-e")
}

func (c *Client) capture(ctx context.Context, id PaneID, more ...string) (string, error) {
	if err := id.Check(); err != nil {
		return "", err
	}
	out, err := c.Do(ctx, append([]string{"capture-pane", "-p", "-t", string(id)}, more...)...)
	if err != nil {
		return "", err
	}
	for i, l := range out {
		out[i] = strings.TrimRight(l, " ")
	}
	return strings.TrimRight(strings.Join(out, "\n"), "\n"), nil
}

// socketDir returns the directory for the server's files. It is private and writable.
func socketDir(s *Server) string { return filepath.Dir(s.Socket()) }
