package tmux

import "strings"

// EventKind is the kind of an Event.
type EventKind int

// The kinds of events. All but Exit are only hints: the receiver must query the present state.
const (
	// SessionsChanged means that a session was made, ended or renamed. List the sessions again.
	SessionsChanged EventKind = iota + 1
	// WindowClosed means that Window is gone, with all its panes.
	WindowClosed
	// ModeChanged means that Pane entered or left copy mode.
	ModeChanged
	// ClientAttached means that the terminal Client now shows Session.
	ClientAttached
	// ClientDetached means that the terminal Client is gone.
	ClientDetached
	// Overflow means that Dropped events were lost because they were not read in time. The reader must query
	// everything again.
	Overflow
	// Exit means that the connection has ended for Reason. It is the last event before the channel is closed.
	Exit
)

// String returns the name of the kind for logs.
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
	Reason  string // tmux's message, or ours if it has none
	Dropped int
}

// EventCapacity is the number of events that wait for a reader. Further ones are replaced by one Overflow.
const EventCapacity = 256

// parseEvent parses a notification. ok is false for notifications that are not needed.
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
