package life

import (
	"slices"

	"muster/internal/event"
)

// key returns what all equivalent places have in common. It leaves out times, counters and texts that life writes and
// never reads, and everything that has no effect in this state. TestTwinsAreTwins checks that.
// TestTheWalkKnowsTheWholeTask fails if a field is added. The budgets of walks are about money only.
func (p *place) key() []byte {
	t := &p.task
	k := keyWriter{b: make([]byte, 0, 200)}
	k.words(string(t.State))
	k.flags(t.Slot, t.Agent.Live, t.Removed, t.Worktree != "", t.Stopping, t.Shelved, t.Gen == 0 && t.Setup != nil)
	if _, ending := t.Action(event.ActEnd); !ending { // otherwise all tries have the same effect, see outcomes
		k.flags(t.Agent.Ends >= maxEnds)
	}
	p.keyOpen(&k)
	k.flags(t.Held != nil, t.Held != nil && t.Held.Hard, t.Spending.Told, t.PutOff != nil, t.PutOff != nil && t.PutOff.Begun)
	ends := (t.Stopping || t.Shelved) && t.State != event.Publishing // and no deadline changes that
	for _, d := range t.Deadlines {
		if (!ends || d.Name == event.DeadlineEnd) && d.Name != event.DeadlineSilence { // it is set wherever it matters
			k.words(string(d.Name))
		}
	}
	if t.State.Final() { // only what it left behind matters
		return k.b
	}
	_, publishes := t.Action(event.ActPublish)
	if t.State == event.Publishing && !publishes { // it is published, and will be done
		return k.b
	}
	k.flags(t.DepsMet, t.Request != nil)
	k.nums(t.Gen, int(p.left.messages), int(p.left.questions), int(p.left.limits), int(p.left.silences), int(p.left.lacks), int(p.left.money), int(p.left.rests),
		int(2*(t.TotalUsage().CostUSD-t.Spending.From.CostUSD)))
	p.keyAgent(&k, ends)
	if t.Stopping && ends { // it will be cancelled, however many rounds or attempts are left
		return k.b
	}
	k.nums(t.Attempt)
	k.flags(t.Published != nil && t.Published.URL != "", t.Published != nil && t.Published.Merged != "", slices.Contains(t.Review.Told, "words W1"),
		t.Published != nil && slices.Contains(t.Review.Told, "checks "+t.Published.Commit))
	k.nums(t.Review.Same)
	k.flags(t.Race != nil, t.lost())
	if l := t.Rounds.Last; l != nil {
		back, park := refused(*t, l.Findings)
		k.flags(l.Changed, l.Moved, allGreen(l.Results), len(back) > 0, park != nil)
		_, reviewed := reviewIn(*l, "review")
		k.flags(reviewed)
	}
	k.flags(t.Inspection != nil, t.Inspection != nil && t.Inspection.Reviewer != "")
	asked := 0
	for _, m := range t.Messages {
		if t.Spec.Review != nil && m.Why == event.WhyFeedback {
			asked++
		}
	}
	k.nums(asked)
	k.flags(slices.Contains(t.Allowed, event.DeletedTests), slices.Contains(t.Allowed, event.TooLarge))
	if t.State == event.Parked { // a retried task starts with a new allowance
		k.flags(t.Reason == ReasonRounds, t.Reason == ReasonNoProgress, OfFinding(t.Reason))
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

// keyAgent writes the relevant state of the agent; nothing if the next generation starts from a clean state.
func (p *place) keyAgent(k *keyWriter, ends bool) {
	t := &p.task
	if slices.Contains([]event.State{event.Queued, event.Blocked, event.Preparing, event.Parked, event.InReview}, t.State) ||
		t.State == event.Starting && t.Next != "" {
		return
	}
	k.words(string(t.Agent.Turn))
	k.flags(t.Agent.Seal != "", t.Agent.Verdict != nil, t.Agent.verdict() != nil)
	if _, starts := t.Action(event.ActStart); starts { // otherwise the reason of the start has no effect any more
		k.words(class(t.Agent.Why))
	}
	if !t.Shelved || !ends {
		k.flags(t.Agent.Seen, t.Agent.Hooked)
		k.flags(t.Agent.Turn == TurnInterrupting && p.now.Sub(t.Agent.InterruptedAt) >= interruptWait)
	}
}

// keyMessages writes the messages that have not arrived.
func (p *place) keyMessages(k *keyWriter) {
	t := &p.task
	for _, m := range t.Messages {
		if m.open() {
			k.words(string(m.State))
			k.flags(slices.Contains(t.Agent.Carries, m.ID), m.State == event.MessageSending && m.Gen == t.Gen)
		}
	}
}

// keyOpen writes the open actions. Their order does not matter, because there is at most one of each kind.
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

// class returns the part of a generation's reason on which decisions depend.
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
