package tmux

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Options that mark muster's panes. They survive respawn, rename, move and swap, and end with the pane. Values are
// hex, so that no byte of them can break a list.
const (
	taskOption = "@muster_task"
	genOption  = "@muster_gen"
	roleOption = "@muster_window"
	// pastedOption is set in the same command as a paste, so that the successor of a killed process knows about the
	// paste.
	pastedOption = "@muster_pasted"
)

// pastedLength is the number of bytes of a pasted text that are stored.
const pastedLength = 64

// Pane is the state of a pane at one moment.
type Pane struct {
	ID          PaneID
	Window      WindowID
	Session     SessionID
	SessionName string // name of its present session; a person may have moved the pane
	WindowName  string
	PID         int  // the process that was started in it, even if it is dead
	Dead        bool // its process ended, or closed its terminal
	InMode      bool // a person uses copy mode in it
	StatusKnown bool // Status and Signal are known
	Status      int  // exit status
	Signal      int  // the signal that ended it; 0 if it exited
	Attached    int  // number of people's clients that show its session, without ours
	Columns     int  // size of its window
	Rows        int
	Task        string // @muster_task; "" for a pane that is not muster's
	Gen         int    // @muster_gen
	Role        string // @muster_window: its purpose, whatever the present name of the window is
	Pasted      string // up to 64 bytes of the text that was pasted last; "" if there is none
}

// A mark expands to the value of its option only if that is hex, because an agent can set options, too.
const (
	taskMark = "#{?#{m:*[!0-9a-f]*,#{" + taskOption + "}},,#{" + taskOption + "}}"
	genMark  = "#{?#{m:*[!0-9a-f]*,#{" + genOption + "}},,#{" + genOption + "}}"
	roleMark = "#{?#{m:*[!0-9a-f]*,#{" + roleOption + "}},,#{" + roleOption + "}}"

	pastedMark = "#{?#{m:*[!0-9a-f]*,#{" + pastedOption + "}},,#{" + pastedOption + "}}"
)

// paneFormat prints one line per pane. The names come last, because only they may contain foreign characters.
const paneFormat = "#{pane_id}\t#{window_id}\t#{session_id}\t#{pane_pid}\t" +
	"#{pane_dead}\t#{pane_dead_status}\t#{pane_dead_signal}\t#{pane_in_mode}\t" +
	"#{session_attached}\t#{window_width}\t#{window_height}\t" +
	taskMark + "\t" + genMark + "\t" + roleMark + "\t" + pastedMark + "\t#{session_name}\t#{window_name}"

func encode(s string) string { return hex.EncodeToString([]byte(s)) }

func decode(s string) string {
	b, err := hex.DecodeString(s)
	if err != nil {
		return ""
	}
	return string(b)
}

// parsePanes parses lines of paneFormat. own is the session of our own client. A pane in several sessions of a group
// is returned once. Other lines are skipped.
func parsePanes(lines []string, own SessionID) []Pane {
	panes := make([]Pane, 0, len(lines))
	at := make(map[PaneID]int, len(lines))
	for _, l := range lines {
		p, ok := parsePane(l)
		if !ok {
			continue
		}
		if p.Session == own && p.Attached > 0 {
			p.Attached--
		}
		if i, twice := at[p.ID]; twice {
			panes[i].Attached += p.Attached
			continue
		}
		at[p.ID] = len(panes)
		panes = append(panes, p)
	}
	return panes
}

func parsePane(l string) (Pane, bool) {
	f := strings.SplitN(l, "\t", 17)
	if len(f) != 17 || !isID('%', f[0]) || !isID('@', f[1]) || !isID('$', f[2]) {
		return Pane{}, false
	}
	p := Pane{
		ID: PaneID(f[0]), Window: WindowID(f[1]), Session: SessionID(f[2]),
		PID: number(f[3]), Dead: f[4] == "1", InMode: f[7] != "" && f[7] != "0",
		Attached: number(f[8]), Columns: number(f[9]), Rows: number(f[10]),
		Task: decode(f[11]), Gen: number(decode(f[12])), Role: decode(f[13]), Pasted: decode(f[14]),
		SessionName: f[15], WindowName: f[16],
	}
	if p.Dead {
		if n, err := strconv.Atoi(f[5]); err == nil {
			p.Status, p.StatusKnown = n, true
		} else if n := signalNumber(f[6]); n > 0 {
			p.Signal, p.StatusKnown = n, true
		}
	}
	return p, true
}

// signalNumber parses a signal, which some systems print by name.
func signalNumber(s string) int {
	if n, err := strconv.Atoi(s); err == nil || s == "" {
		return n
	}
	return int(unix.SignalNum("SIG" + strings.TrimPrefix(strings.ToUpper(s), "SIG")))
}

// number parses a count; it returns 0 for anything else.
func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

// Panes returns every pane of the server once, including a person's.
func (c *Client) Panes(ctx context.Context) ([]Pane, error) {
	lines, err := c.Do(ctx, "list-panes", "-a", "-F", paneFormat)
	if err != nil {
		return nil, err
	}
	return parsePanes(lines, c.hub()), nil
}

// Pane returns one pane, or ErrNoPane.
func (c *Client) Pane(ctx context.Context, id PaneID) (Pane, error) {
	if err := id.Check(); err != nil {
		return Pane{}, err
	}
	lines, err := c.Do(ctx, "list-panes", "-t", string(id), "-f", "#{==:#{pane_id},"+string(id)+"}", "-F", paneFormat)
	if err != nil {
		return Pane{}, err
	}
	panes := parsePanes(lines, c.hub())
	if len(panes) != 1 {
		return Pane{}, fmt.Errorf("pane %s: %w", id, ErrNoPane)
	}
	return panes[0], nil
}

// hub returns the session of this client.
func (c *Client) hub() SessionID {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.own
}

// ExitStatus returns how the process of a pane ended: its exit status, or its signal. known is false while it runs,
// and if tmux does not know (before 3.3 it keeps no signal). Servers up to 3.5 that write utmp records miss deaths;
// ExitStatus makes them look again, which takes milliseconds, or up to 2.5 s on a busy machine.
func (c *Client) ExitStatus(ctx context.Context, id PaneID) (code, signal int, known bool, err error) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	for _, pause := range []time.Duration{2, 5, 10, 20, 50, 100, 200, 400, 700, 1000, 0} {
		p, err := c.Pane(ctx, id)
		if err != nil {
			return 0, 0, false, err
		}
		if p.StatusKnown {
			return p.Status, p.Signal, true, nil
		}
		_, alive := processStart(p.PID)
		if alive && (!p.Dead || pause > 50) {
			return 0, 0, false, nil // it runs, maybe without its terminal
		}
		if pause == 0 {
			break
		}
		// A server that missed the end of a child notices it at the next SIGCHLD, whichever process sends it.
		_ = syscall.Kill(c.identity.PID, syscall.SIGCHLD)
		timer.Reset(pause * time.Millisecond)
		select {
		case <-timer.C:
		case <-c.done:
			return 0, 0, false, c.endedErr
		case <-ctx.Done():
			return 0, 0, false, fmt.Errorf("exit status of pane %s: %w", id, ctx.Err())
		}
	}
	return 0, 0, false, nil
}
