package life

import (
	"slices"

	"muster/internal/event"
)

// key is what two places have in common that nothing tells apart. What is left out is a time, a counter or a text
// that life writes and never reads, or what plays no part any more in this state. TestTwinsAreTwins checks that, and
// TestTheWalkKnowsTheWholeTask fails when a field is added.
func (p *place) key() []byte {
	t := &p.task
	k := keyWriter{b: make([]byte, 0, 200)}
	k.words(string(t.State))
	k.flags(t.Slot, t.Agent.Live, t.Removed, t.Worktree != "", t.Stopping, t.Shelved)
	if _, ending := t.Action(event.ActEnd); !ending { // else see outcomes: all tries are one
		k.flags(t.Agent.Ends >= maxEnds)
	}
	p.keyOpen(&k)
	k.flags(t.PutOff != nil, t.PutOff != nil && t.PutOff.Begun)
	ends := (t.Stopping || t.Shelved) && t.State != event.Publishing // and no deadline changes that
	for _, d := range t.Deadlines {
		if (!ends || d.Name == event.DeadlineEnd) && d.Name != event.DeadlineSilence { // which stands wherever it means anything
			k.words(string(d.Name))
		}
	}
	if t.State.Final() { // nothing but its leavings matters
		return k.b
	}
	_, publishes := t.Action(event.ActPublish)
	if t.State == event.Publishing && !publishes { // it is published, and will be done
		return k.b
	}
	k.flags(t.DepsMet, t.Request != nil)
	k.nums(t.Gen, int(p.left.messages), int(p.left.questions), int(p.left.limits), int(p.left.silences), int(p.left.lacks))
	p.keyAgent(&k, ends)
	if t.Stopping && ends { // it will be cancelled, however many rounds or attempts are left
		return k.b
	}
	k.nums(t.Attempt)
	k.flags(t.Published != nil && t.Published.URL != "")
	if l := t.Rounds.Last; l != nil {
		k.flags(l.Changed, l.Moved, allGreen(l.Results))
	}
	if t.State == event.Parked { // whoever comes back begins with a fresh allowance
		k.flags(t.Reason == ReasonRounds, t.Reason == ReasonNoProgress)
	} else {
		k.nums(t.APIErrors, t.Rounds.Spent, t.Agent.Launches)
		k.words(class(t.Next), string(t.Stage))
		k.flags(t.Doubted)
	}
	if t.State == event.Checking || t.State == event.Publishing {
		k.nums(t.Rounds.Voids)
	}
	p.keyMessages(&k)
	return k.b
}

// keyAgent writes what matters of the agent that there is: nothing where the next generation begins with a clean sheet.
func (p *place) keyAgent(k *keyWriter, ends bool) {
	t := &p.task
	if slices.Contains([]event.State{event.Queued, event.Blocked, event.Preparing, event.Parked, event.InReview}, t.State) ||
		t.State == event.Starting && t.Next != "" {
		return
	}
	k.words(string(t.Agent.Turn))
	if _, starts := t.Action(event.ActStart); starts { // else nobody asks any more why it was started
		k.words(class(t.Agent.Why))
	}
	if !t.Shelved || !ends {
		k.flags(t.Agent.Seen)
	}
}

// keyMessages writes what is under way.
func (p *place) keyMessages(k *keyWriter) {
	t := &p.task
	for _, m := range t.Messages {
		if m.open() {
			k.words(string(m.State))
			k.flags(slices.Contains(t.Agent.Carries, m.ID), m.State == event.MessageSending && m.Gen == t.Gen)
		}
	}
}

// keyOpen writes the open actions; their order does not matter, since there is one of a kind at most.
func (p *place) keyOpen(k *keyWriter) {
	var open []string
	for _, o := range p.task.Open {
		text := string(o.Kind())
		if o.Gen == p.task.Gen {
			text += "+"
		}
		if m, ok := p.task.Message(o.Message()); ok && !p.task.Stopping && !p.task.State.Final() {
			text += string(m.State)
		}
		open = append(open, text)
	}
	slices.Sort(open)
	k.words(open...)
}

// class is all that is decided by the reason of a generation.
func class(w event.Why) string {
	switch {
	case w.Fault():
		return "fault"
	case w == "" || w == event.WhyAPI:
		return string(w)
	}
	return "other"
}

type keyWriter struct{ b []byte }

func (k *keyWriter) words(all ...string) {
	for _, s := range all {
		k.b = append(append(k.b, s...), 0)
	}
	k.b = append(k.b, 1)
}

func (k *keyWriter) flags(all ...bool) {
	for _, f := range all {
		c := byte('-')
		if f {
			c = '+'
		}
		k.b = append(k.b, c)
	}
}

func (k *keyWriter) nums(all ...int) {
	for _, n := range all {
		k.b = append(k.b, byte(n)) //nolint:gosec // far below
	}
}
