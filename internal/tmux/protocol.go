package tmux

import "strings"

// block is one reply on the control connection.
type block struct {
	lines  []string
	failed bool // it closed with %error; lines are tmux's words
	ours   bool // it answers a line that we sent, and not a hook or the attach
}

// stream takes the control connection apart, line by line. Only a guard with the identical three values
// closes a block: what stands in it may be the screen of an agent that prints guards.
type stream struct {
	open  bool
	guard string // time, number, flags
	lines []string
}

// add takes the next line and gives the block that it completes, or the notification that it is.
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
