package status

import (
	"crypto/sha256"

	"muster/internal/event"
)

// Source is one file with records of one generation.
type Source struct {
	Task event.TaskID
	Gen  int
	// Name is the src used for fencing and for stored offsets. It identifies one file of a generation: "status",
	// "claude.session", "transcript".
	Name string
	Path string // absolute; neither it nor its directory need exist yet
	// Whole marks a file that is replaced or rewritten as a whole. It is read entirely after each change and parsed as
	// one, and yields a batch only when its content has changed. From and Batch.Offset are unused.
	Whole bool
	// Ticks marks a file to which the agent writes also while it does nothing. Only the records in it are activity.
	Ticks bool
	// Parse returns the records of one line (without its end), or of the whole file; nil means status.Parse. It may be
	// called again for the same bytes. An error rejects this line only.
	Parse func(data []byte) ([]event.Record, error)
	// From is the offset to start at: that of the last stored Batch.
	From int64
}

// Batch is the result of one pass over one file.
type Batch struct {
	Source  Source
	Records []event.Record // with Gen, Src and Time filled in where the writer left them out
	// Offset is where to start the next time: everything before it is in this batch or an earlier one. A store that
	// writes it in the same transaction as the records takes no record twice and loses none.
	Offset int64
	// Rejected briefly says what was rejected and why; each reason is reported once a file. A batch may have no other
	// content.
	Rejected []string
	// Grew counts bytes that are new since the last pass. They are activity, even if they hold no record.
	Grew int64
	// Size is the size of the file.
	Size int64
}

// key identifies a source.
type key struct {
	task event.TaskID
	gen  int
	name string
}

// file is a source with its state. The first group of fields is guarded by Watcher.mu. Only the reading goroutine uses
// progress and said.
type file struct {
	src     Source
	dir     *dir
	base    string
	wake    bool          // no source: the wake file
	passed  chan struct{} // no source: closed when the reader reaches it; see Flush
	queued  bool          // is in the queue
	held    bool          // over its rate: a one-shot timer will let it in again
	again   bool          // changed while held
	removed bool

	progress progress
	said     map[string]bool // reasons already reported
}

// progress is the read state of a file. It is a value, so that a pass whose batch was not received is undone by assigning
// the old one.
type progress struct {
	tail  tail
	limit limiter
	sum   [sha256.Size]byte // of a Whole file
}
