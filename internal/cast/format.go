package cast

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Header is the first line of an asciicast.
type Header struct {
	Size
	Began time.Time
	Title string
	Idle  time.Duration // for players: a longer pause is shortened to this; 0 means none
}

// Event is a line of an asciicast.
type Event struct {
	At   time.Duration // since the beginning
	Kind string        // one of the kinds below
	Data string
}

// Kinds of an Event.
const (
	Output = "o"
	Resize = "r" // Data is that of Size.String
	Mark   = "m" // Data says what is missing, if it begins with LostPrefix
)

// rawHeader is Header as asciicast has it.
type rawHeader struct {
	Version   int     `json:"version"`
	Width     int     `json:"width"`
	Height    int     `json:"height"`
	Timestamp int64   `json:"timestamp,omitempty"`
	Idle      float64 `json:"idle_time_limit,omitempty"`
	Title     string  `json:"title,omitempty"`
	// Began is the time of Timestamp in milliseconds. Players ignore it.
	Began int64 `json:"muster_began_ms,omitempty"`
}

func header(h Header) []byte {
	return encode(rawHeader{
		Version: 2, Width: h.Columns, Height: h.Rows, Timestamp: h.Began.Unix(), Began: h.Began.UnixMilli(), Idle: h.Idle.Seconds(), Title: h.Title,
	})
}

func line(e Event) []byte {
	return encode([]any{json.Number(strconv.FormatFloat(e.At.Seconds(), 'f', 3, 64)), e.Kind, e.Data})
}

// encode returns a value as a line of JSON. Invalid UTF-8 becomes U+FFFD.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // strings and numbers have an encoding
	return b.Bytes()
}

var errFormat = errors.New("not an asciicast of version 2")

func parseHeader(b []byte) (Header, error) {
	var raw rawHeader
	if err := json.Unmarshal(b, &raw); err != nil || raw.Version != 2 {
		return Header{}, errFormat
	}
	h := Header{Size: Size{raw.Width, raw.Height}, Began: time.UnixMilli(raw.Began)}
	if !h.sane() {
		return Header{}, errFormat
	}
	return h, nil
}

// longest bounds times of a recording, so that a sum of them is none that overflows.
const longest = 10 * 365 * 24 * time.Hour

func parseEvent(b []byte) (Event, error) {
	var raw []json.RawMessage
	var at float64
	var e Event
	if json.Unmarshal(b, &raw) != nil || len(raw) != 3 || json.Unmarshal(raw[0], &at) != nil ||
		json.Unmarshal(raw[1], &e.Kind) != nil || json.Unmarshal(raw[2], &e.Data) != nil ||
		math.IsNaN(at) || at < 0 || at > longest.Seconds() {
		return Event{}, errFormat
	}
	e.At = time.Duration(at * float64(time.Second)).Round(time.Millisecond)
	return e, nil
}

// ParseSize reads a size as Size.String writes it.
func ParseSize(s string) (Size, bool) {
	c, r, ok := strings.Cut(s, "x")
	columns, err1 := strconv.Atoi(c)
	rows, err2 := strconv.Atoi(r)
	size := Size{columns, rows}
	return size, ok && err1 == nil && err2 == nil && size.sane()
}

// lostMark is the data of a mark for output that was lost.
func lostMark(n int64) string { return fmt.Sprintf("%s%d bytes were not recorded", LostPrefix, n) }

// LostPrefix begins the data of marks for what is missing.
const LostPrefix = "muster: "
