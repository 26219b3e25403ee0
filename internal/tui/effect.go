package tui

import (
	"time"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/intake"
	"muster/internal/life"
)

// effect is something that a Model wants to be done. The result comes back as a message.
type effect any

type (
	// readAsk asks for a task whose request is to be answered; the result is an asked.
	readAsk struct{ id event.TaskID }
	// readScreen asks for the screen of an agent; the result is a screen.
	readScreen struct {
		id  event.TaskID
		gen int
	}
	// readPage asks for a tab of a task; the result is a page.
	readPage struct {
		id    event.TaskID
		tab   tab
		round int // 0 is the newest state
		look  Look
		now   time.Time
	}
	// readNight asks for the night; the result is a night.
	readNight struct{ since time.Time }
	// order carries out a command; the result is an ordered.
	order struct {
		id  event.TaskID
		cmd control.Command
	}
	// markSeen notes that a person has looked at a task.
	markSeen struct {
		id      event.TaskID
		changed time.Time
	}
	// noteLook notes that a person looks at the fleet, so that nothing is sent meanwhile.
	noteLook struct{}
	// attach lends the terminal to a task's agent; the result is a returned.
	attach struct {
		id       event.TaskID
		readOnly bool
	}
	// wait sends a message after a time.
	wait struct {
		after time.Duration
		msg   any
	}
	// dispatch queues a task; the result is a dispatched.
	dispatch struct {
		order intake.Order
		draft string // the file that has the prompt, which is removed once the task is queued; "" for none
	}
	// edit lends the terminal to the person's editor; the result is an edited.
	edit struct{}
	// copyText puts a text into the clipboard of the terminal.
	copyText struct{ text string }
	redraw   struct{}
	suspend  struct{}
	quit     struct{}
)

// Messages of the terminal.
type (
	// Key is a key press: its name, and the text that it types, if any.
	Key struct{ Name, Text string }
	// Paste is text that was pasted. It never counts as keys.
	Paste struct{ Text string }
	// Size is the size of the terminal in columns and rows.
	Size struct{ Width, Height int }
	// Focus says whether the terminal has the focus.
	Focus struct{ On bool }
)

// Messages with results.
type (
	// Changed is a change of the fleet.
	Changed struct{ control.Change }
	// Lost says that the fleet cannot be read; it is tried again.
	Lost struct{ Err error }

	asked struct {
		id   event.TaskID
		task life.Task
		err  error
	}
	screen struct {
		id   event.TaskID
		text string
		err  error
	}
	page struct {
		id     event.TaskID
		tab    tab
		round  int
		rounds []int // that can be chosen, oldest first
		lines  []string
		marks  []int // lines at which files or rounds begin
		hunks  []int // lines at which hunks begin
		end    bool  // it is opened at its end
		err    error
	}
	night struct {
		line control.Timeline
		err  error
	}
	ordered struct {
		id   event.TaskID
		task life.Task
		down bool // the fleet was told to be down, and does it later
		err  error
	}
	dispatched struct {
		id  event.TaskID
		err error
	}
	// edited is what a person has written.
	edited struct {
		text  string
		draft string // the file that has it
		err   error
	}
	failed   struct{ err error }
	returned struct{ err error }

	second  struct{}         // the clock goes on
	look    struct{ at int } // it is time to look at the selected agent's screen
	settled struct{ at int } // the selection has not changed for a moment
)
