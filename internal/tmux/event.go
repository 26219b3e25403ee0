package tmux

import "strings"

// EventKind says what an Event tells.
type EventKind int

// The kinds of events. All but Exit are hints: they say where to look, never what is true there.
const (
	// SessionsChanged: a session came, went or was renamed. List again.
	SessionsChanged EventKind = iota + 1
	// WindowClosed: Window is gone, with all its panes.
	WindowClosed
	// ModeChanged: Pane entered or left copy mode.
	ModeChanged
	// ClientAttached: the terminal Client now shows Session.
	ClientAttached
	// ClientDetached: the terminal Client is gone.
	ClientDetached
	// Overflow: Dropped events were lost because they were not read in time. The reader has to look at everything again.
	Overflow
	// Exit: the connection has ended for Reason. It is the last event; the channel is closed after it.
	Exit
)

// String names the kind for logs.
func (k EventKind) String() string {
	switch k {
	case SessionsChanged:
		return "sessions_changed"
	case WindowClosed:
		return "window_closed"
	case ModeChanged:
		return "mode_changed"
	case ClientAttached:
		return "client_attached"
	case ClientDetached:
		return "client_detached"
	case Overflow:
		return "overflow"
	case Exit:
		return "exit"
	}
	return "unknown"
}

// Event is something that happened on the server. Only the fields of its kind are set.
type Event struct {
	Kind    EventKind
	Window  WindowID
	Pane    PaneID
	Client  string // the name of a person's terminal, "/dev/pts/3"
	Session SessionID
	Reason  string // tmux's words, or ours where it said nothing
	Dropped int
}

// EventCapacity is how many events wait for a reader; more are folded into one Overflow.
const EventCapacity = 256

// parseEvent reads a notification; ok is false for those that are not needed.
func parseEvent(note string) (e Event, ok bool) {
	word, rest, _ := strings.Cut(note, " ")
	first, more, _ := strings.Cut(rest, " ")
	switch word {
	case "%sessions-changed", "%session-renamed":
		return Event{Kind: SessionsChanged}, true
	case "%window-close", "%unlinked-window-close":
		return Event{Kind: WindowClosed, Window: WindowID(first)}, isID('@', first)
	case "%pane-mode-changed":
		return Event{Kind: ModeChanged, Pane: PaneID(first)}, isID('%', first)
	case "%client-session-changed":
		id, _, _ := strings.Cut(more, " ")
		return Event{Kind: ClientAttached, Client: first, Session: SessionID(id)}, isID('$', id)
	case "%client-detached":
		return Event{Kind: ClientDetached, Client: first}, true
	}
	return Event{}, false
}

// emit queues an event and never waits. If the queue is full, its content is replaced by one Overflow.
func (c *Client) emit(e Event) {
	select {
	case c.events <- e:
		return
	default:
	}
	dropped := 0
	for {
		select {
		case old := <-c.events:
			if old.Kind == Overflow {
				dropped += old.Dropped
			} else {
				dropped++
			}
			continue
		default:
		}
		break
	}
	c.events <- Event{Kind: Overflow, Dropped: dropped} // this is the only sender, so there is room for two
	c.events <- e
}
