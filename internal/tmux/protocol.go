package tmux

import "strings"

// block is one reply on the control connection.
type block struct {
	lines  []string
	failed bool // it ended with %error, and lines is the error message
	ours   bool // it answers a line that this client sent, and not a hook or the attach
}

// stream parses the output of a control client, line by line. A block ends with the end guard that has the same three
// values as its begin guard.
type stream struct {
	open  bool
	guard string // time, number, flags
	lines []string
}

// add takes the next line. It returns the block that the line completes, or the line itself if it is a notification.
func (s *stream) add(l string) (done *block, note string) {
	if !s.open {
		if g, ok := strings.CutPrefix(l, "%begin "); ok {
			s.open, s.guard, s.lines = true, g, nil
			return nil, ""
		}
		return nil, l
	}
	rest, failed := "", false
	if r, ok := strings.CutPrefix(l, "%end "); ok {
		rest = r
	} else if r, ok := strings.CutPrefix(l, "%error "); ok {
		rest, failed = r, true
	}
	if rest == "" || rest != s.guard {
		s.lines = append(s.lines, l)
		return nil, ""
	}
	b := &block{lines: s.lines, failed: failed, ours: strings.HasSuffix(s.guard, " 1")}
	s.open, s.guard, s.lines = false, "", nil
	return b, ""
}
