package status

import (
	"crypto/sha256"

	"muster/internal/event"
)

// Source is one file with records of one generation.
type Source struct {
	Task event.TaskID
	Gen  int
	// Name is the src for fencing and stored offsets, one file of a generation: "status", "claude.session",
	// "transcript".
	Name string
	Path string // absolute; neither it nor its directory need exist yet
	// Whole marks a file that is replaced or rewritten as a whole: it is read entirely after each change and
	// parsed as one, and yields a batch only when its content has changed. From and Batch.Offset mean nothing.
	Whole bool
	// Parse makes records of one line (without its end), or of the whole file; nil is status.Parse. It may be
	// called again for the same bytes. An error rejects this line only.
	Parse func(data []byte) ([]event.Record, error)
	// From is the offset to start at: that of the last Batch that was stored.
	From int64
}

// Batch is what one pass over one file found.
type Batch struct {
	Source  Source
	Records []event.Record // with Gen, Src and Time filled in where the writer left them out
	// Offset is where to start the next time: everything before it is in this batch or an earlier one. A store
	// that keeps it in the transaction of the records takes no record twice and loses none.
	Offset int64
	// Rejected says what was not taken and why, in short; each reason once a file. A batch may consist of it alone.
	Rejected []string
	// Grew counts bytes that are new since the last pass: activity, even when no record came out.
	Grew int64
	// Size is how large the file was.
	Size int64
}

// key identifies a source.
type key struct {
	task event.TaskID
	gen  int
	name string
}

// file is a source and what is known of it. The first group is guarded by Watcher.mu; progress and said belong
// to the reading goroutine alone.
type file struct {
	src     Source
	dir     *dir
	base    string
	wake    bool          // no source: the wake file
	passed  chan struct{} // no source: closed when the reader comes to it; see Flush
	queued  bool          // is in the queue
	held    bool          // over its rate: a one-shot timer will let it in again
	again   bool          // changed while held
	removed bool

	progress progress
	said     map[string]bool // reasons already given
}

// progress is the read state of a file. It is a value, so that a pass whose batch was not received is undone by assigning
// the old one.
type progress struct {
	tail  tail
	limit limiter
	sum   [sha256.Size]byte // of a Whole file
}
