package tmux

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Manners treats a person who attaches as a guest: the windows of the session they look at take the size of
// their terminal, and when the last one has left they get their own size back, so that an agent never draws
// for a screen that is gone. To be called with every event; those that do not matter cost nothing.
func (c *Client) Manners(ctx context.Context, ev Event) error {
	switch ev.Kind {
	case ClientAttached, ClientDetached, Overflow:
		return c.Reconcile(ctx)
	case SessionsChanged, WindowClosed, ModeChanged, Exit:
	}
	return nil
}

// windowFormat is what Reconcile needs to know of a window: at last whether a pane in it is ours. A window
// without one belongs to a person, and its size is no concern of ours.
const windowFormat = "#{session_id}\t#{session_attached}\t#{window_id}\t#{window_width}\t#{window_height}\t" +
	"#{window-size}\t#{P:" + roleMark + "}"

// Reconcile brings all windows of ours to the size that fits who looks at them now: people are counted, events are
// not, so that the second of two viewers keeps his size and nothing is lost while we were away. Call it
// once after Connect.
func (c *Client) Reconcile(ctx context.Context) error {
	lines, err := c.Do(ctx, "list-windows", "-a", "-F", windowFormat)
	if err != nil {
		return fmt.Errorf("fit windows: %w", err)
	}
	for id, args := range sizeChanges(lines, c.hub(), c.columns, c.rows) {
		if _, err := c.Do(ctx, args...); err != nil && !isGone(err) {
			return fmt.Errorf("fit window %s: %w", id, err)
		}
	}
	return nil
}

// sizeChanges decides, window by window, which command brings it to the size it should have.
func sizeChanges(lines []string, own SessionID, columns, rows int) map[WindowID][]string {
	type window struct {
		people     int
		fits, auto bool
	}
	seen := make(map[WindowID]window)
	for _, l := range lines {
		f := strings.Split(l, "\t")
		if len(f) != 7 || !isID('@', f[2]) || f[6] == "" {
			continue
		}
		people := number(f[1])
		if SessionID(f[0]) == own && people > 0 {
			people-- // that is us
		}
		id := WindowID(f[2])
		w := seen[id] // a window may be in several sessions
		w.people += people
		w.fits = number(f[3]) == columns && number(f[4]) == rows
		w.auto = f[5] != "manual"
		seen[id] = w
	}
	changes := make(map[WindowID][]string)
	for id, w := range seen {
		switch {
		case w.people > 0 && !w.auto:
			changes[id] = []string{"set-option", "-w", "-t", string(id), "window-size", "latest"}
		case w.people == 0 && (!w.fits || w.auto):
			// This makes the window's size manual again, too.
			changes[id] = []string{
				"resize-window", "-t", string(id),
				"-x", strconv.Itoa(columns), "-y", strconv.Itoa(rows),
			}
		}
	}
	return changes
}

// GuardHub has tmux itself start the hub's program again when it dies: an exit with status 0 is an end in good
// order, as when the fleet was told to be down, and stays one. Where the server misses the death
// nobody does: it is a second line, and the next Server.Start the third.
func (c *Client) GuardHub(ctx context.Context) error {
	panes, err := c.Panes(ctx)
	if err != nil {
		return fmt.Errorf("guard the hub: %w", err)
	}
	for _, p := range panes {
		if p.Role != hubRole {
			continue
		}
		// The id is written out: in a hook, a format is not expanded behind -t.
		id := string(p.ID)
		again := line("if-shell", "-F", "-t", id, "#{!=:#{pane_dead_status},0}", line("respawn-pane", "-t", id))
		if _, err := c.Do(ctx, "set-hook", "-p", "-t", id, "pane-died", again); err != nil {
			return fmt.Errorf("guard the hub: %w", err)
		}
		return nil
	}
	return fmt.Errorf("guard the hub: %w", ErrNoHub)
}
