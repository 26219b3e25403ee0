package event

import "time"

// NoticeKind is what a person is told by a notice.
type NoticeKind string

// The kinds of notices.
const (
	NoticeAsks     NoticeKind = "asks"     // an agent asks
	NoticeReminder NoticeKind = "reminder" // it still asks, and its task is parked soon
	NoticeParked   NoticeKind = "parked"   // a task was parked
	NoticeFailed   NoticeKind = "failed"   // a task failed
	NoticeStill    NoticeKind = "still"    // tasks wait, and none has run for a while
	NoticeGate     NoticeKind = "gate"     // tasks wait, and nothing new starts
	NoticeMerge    NoticeKind = "merge"    // a merge queue waits
	NoticeOver     NoticeKind = "over"     // nothing is left that can run
	NoticeDigest   NoticeKind = "digest"   // what has happened since the last digest
	NoticeTest     NoticeKind = "test"     // a person tries the channel
)

// NoticeSent says that a channel has taken a notice. A message may hold several notices, each with an event of its own.
type NoticeSent struct {
	Channel string     `json:"channel"`
	What    NoticeKind `json:"what"`
	Of      int64      `json:"of,omitempty"` // seq of the event that it is about
	Message string     `json:"message"`      // the id of the message: a repeat of it has the same
}

// NoticeMissed says that a channel did not take a message. It is tried again at Next.
type NoticeMissed struct {
	Channel string    `json:"channel"`
	Message string    `json:"message"`
	Why     string    `json:"why"`
	Tries   int       `json:"tries"` // failures in a row, with this one
	Next    time.Time `json:"next"`
}

// Kind implements Payload.
func (NoticeSent) Kind() Kind { return "notice.sent" }

// Kind implements Payload.
func (NoticeMissed) Kind() Kind { return "notice.failed" }
