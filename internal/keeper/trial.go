package keeper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"muster/internal/environ"
	"muster/internal/replace"
)

const (
	trialLimit = 15 * time.Second // for a program on trial to be ready
	// relieveLimit is the time from SIGTERM to SIGKILL for a supervisor that is replaced by another program. It is
	// short, because the fleet is unattended meanwhile and a supervisor can be killed at any time.
	relieveLimit = 2 * time.Second
	mostTries    = 2 // of one request: one killed keeper does not prove that the program is bad
)

// Why a trial ended, if the program itself did not fail.
var (
	errLate = errors.New("nothing was heard of it in time")
	errDown = errors.New("the fleet was told to be down")
)

// upgradeState holds which program supervises, and the keeper's state during an upgrade.
type upgradeState struct {
	program string    // the supervisor's
	trial   *Request  // program is on trial because of this
	before  string    // during a trial: the last program that was ready
	undone  *Outcome  // a trial failed, and the previous program is not ready again yet
	settled string    // the last request with an outcome
	since   time.Time // when a supervisor was told to end for another program; zero if there was none
}

// kept returns what the next supervisor is told about the upgrade.
func (s *upgradeState) kept() Handoff {
	switch {
	case s.trial != nil:
		return Handoff{From: name(s.before), To: name(s.program), Since: s.since}
	case s.undone != nil:
		return Handoff{From: name(s.undone.From), To: name(s.undone.To), Why: s.undone.Why, Since: s.since}
	}
	return Handoff{}
}

func name(program string) string { return filepath.Base(program) }

// env returns the environment of the next supervisor.
func (k Keeper) env(s *upgradeState) []string {
	b, err := json.Marshal(s.kept())
	if err != nil {
		return k.Env // impossible: strings and a time can be encoded
	}
	return append(k.Env[:len(k.Env):len(k.Env)], environ.Handoff+"="+string(b))
}

// asked returns the pending request. It returns none while another request is in progress.
func (k Keeper) asked(s *upgradeState) (Request, bool) {
	if s.trial != nil || s.undone != nil {
		return Request{}, false
	}
	r, ok := readRequest(k.Upgrades.Request)
	return r, ok && r.ID != s.settled
}

// takeUp puts a program on trial if a request asks for it. The request stays until it has an outcome, so that the next keeper
// finds it if this one is killed.
func (k Keeper) takeUp(s *upgradeState) {
	r, ok := k.asked(s)
	if !ok {
		return
	}
	out := Outcome{ID: r.ID, From: s.program, To: r.Program}
	if r.Program == s.program {
		k.settle(s, out)
		return
	}
	if s.since.IsZero() && r.From != "" && r.From != name(s.program) {
		out.Why = "another program supervises by now"
		k.settle(s, out)
		return
	}
	if r.Tries >= mostTries {
		out.Why = fmt.Sprintf("the keeper ended %d times while it was on trial", r.Tries)
		k.settle(s, out)
		return
	}
	r.Tries++
	if err := replace.JSON(k.Upgrades.Request, r); err != nil {
		out.Why = "the keeper could not note the request: " + err.Error()
		k.settle(s, out)
		return
	}
	k.say("the supervisor is to be " + name(r.Program))
	s.trial, s.before, s.program = &r, s.program, r.Program
}

// ready handles the supervisor's message that it is ready.
func (k Keeper) ready(s *upgradeState) {
	away := time.Duration(0)
	if !s.since.IsZero() {
		away = k.Clock.Now().Sub(s.since)
	}
	switch {
	case s.trial != nil:
		k.settle(s, Outcome{ID: s.trial.ID, From: s.before, To: s.program, Away: away})
		s.trial, s.before = nil, ""
	case s.undone != nil:
		s.undone.Away = away
		k.settle(s, *s.undone)
		s.undone = nil
	}
	s.since = time.Time{}
}

// fallBack goes back to the previous program if the one that has just ended was on trial. It reports whether it did
// so; the caller then starts that program at once.
func (k Keeper) fallBack(ctx context.Context, s *upgradeState, why error) bool {
	if s.trial == nil {
		return false
	}
	s.undone = &Outcome{ID: s.trial.ID, From: s.before, To: s.program, Why: "it was not ready: " + ending(why)}
	k.say(name(s.program) + " was not ready (" + ending(why) + "), back to " + name(s.before))
	s.program, s.trial, s.before = s.before, nil, ""
	if k.Upgrades.RestoreState != nil {
		if err := k.Upgrades.RestoreState(ctx); err != nil {
			s.undone.Why += "; " + err.Error()
			k.say(err.Error())
		}
	}
	return true
}

// forget settles a failed trial when the previous program did not become ready either, so that the verb stops waiting.
func (k Keeper) forget(s *upgradeState, why error) {
	if s.undone == nil {
		return
	}
	s.undone.Why += "; then the program before ended: " + ending(why)
	k.settle(s, *s.undone)
	s.undone, s.since = nil, time.Time{}
}

// giveUp settles a trial when the fleet was told to be down and no supervisor follows.
func (k Keeper) giveUp(ctx context.Context, s *upgradeState) {
	k.fallBack(ctx, s, errDown)
	if s.undone != nil {
		k.settle(s, *s.undone)
	}
}

// settle writes the outcome of a request, and removes the request last.
func (k Keeper) settle(s *upgradeState, out Outcome) {
	if out.Why == "" && k.Upgrades.Adopt != nil {
		if err := k.Upgrades.Adopt(out.To); err != nil {
			k.say("the next `muster up` may use another program: " + err.Error())
		}
	}
	if err := replace.JSON(k.Upgrades.Outcome, out); err != nil {
		k.say("the outcome of the upgrade is lost: " + err.Error())
	}
	s.settled = out.ID
	if r, ok := readRequest(k.Upgrades.Request); ok && r.ID == out.ID { // another request may be pending by now
		if err := removeFile(k.Upgrades.Request); err != nil {
			k.say(err.Error())
		}
	}
	if out.Why == "" {
		k.say(name(out.To) + " supervises now")
	}
}
