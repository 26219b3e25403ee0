package tmux

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Resize handles an event: if a person attached or detached, it calls FitWindows. Call it with every event; other
// events cost nothing.
func (c *Client) Resize(ctx context.Context, ev Event) error {
	switch ev.Kind {
	case ClientAttached, ClientDetached, Overflow:
		return c.FitWindows(ctx)
	case SessionsChanged, WindowClosed, ModeChanged, Exit:
	}
	return nil
}

// windowFormat is the format of the windows for FitWindows. Its last field is empty if no pane of the window is
// muster's; such a window belongs to a person and keeps its size.
const windowFormat = "#{session_id}\t#{session_attached}\t#{window_id}\t#{window_width}\t#{window_height}\t" +
	"#{window-size}\t#{P:" + roleMark + "}"

// FitWindows sets the size of each window of muster: that of the terminal of a person who looks at it, otherwise the
// configured one, so that an agent does not draw for a terminal that is gone. It counts the attached clients instead
// of relying on events, so it also handles changes while this client was not connected. Call it once after Connect.
func (c *Client) FitWindows(ctx context.Context) error {
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

// sizeChanges returns the tmux command for each window whose size must change.
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
			people-- // this control client
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
			// resize-window also sets window-size back to manual.
			changes[id] = []string{
				"resize-window", "-t", string(id),
				"-x", strconv.Itoa(columns), "-y", strconv.Itoa(rows),
			}
		}
	}
	return changes
}

// GuardHub makes tmux restart the hub's program if it ends with a status other than 0. Status 0 means that the fleet
// was told to be down. Some servers miss deaths, so the next Server.Start checks the hub as well.
func (c *Client) GuardHub(ctx context.Context) error {
	panes, err := c.Panes(ctx)
	if err != nil {
		return fmt.Errorf("guard the hub: %w", err)
	}
	for _, p := range panes {
		if p.Role != hubRole {
			continue
		}
		// The id is written out, because a hook does not expand formats after -t.
		id := string(p.ID)
		again := line("if-shell", "-F", "-t", id, "#{!=:#{pane_dead_status},0}", line("respawn-pane", "-t", id))
		if _, err := c.Do(ctx, "set-hook", "-p", "-t", id, "pane-died", again); err != nil {
			return fmt.Errorf("guard the hub: %w", err)
		}
		return nil
	}
	return fmt.Errorf("guard the hub: %w", ErrNoHub)
}
