package intake

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"muster/internal/agent"
	"muster/internal/event"
)

// known is an agent that was found able to start. A file of many tasks has few kinds of them, and to ask an adapter may
// mean to run the agent's program.
type known struct {
	spec    event.Spec // without what differs between tasks of one kind
	prompt  int        // bytes of the longest prompt that was tried
	missing []string   // variables that are set here and not handed on
}

// maxKnown bounds how many are remembered.
const maxKnown = 64

// kindOf returns a spec without the fields that say nothing of whether its agent could start.
func kindOf(s event.Spec) event.Spec {
	s.Name, s.Slug, s.Summary, s.After = "", "", "", nil
	s.Priority, s.Attempts, s.Respawns, s.Rounds = 0, 0, 0, 0
	s.Timeout, s.WaitLimit, s.Keep, s.Silence, s.SilenceInTool = 0, 0, 0, 0, 0
	if strings.HasPrefix(s.Base, "@") {
		s.Base = "@" // whatever it will be, it is not there yet
	}
	return s
}

// ready checks that the files to be copied are there and that the agent could start, and returns the variables of the
// agent that are set here and not handed on. Orders that differ in words and limits only are checked once.
func (in *Intake) ready(ctx context.Context, ad agent.Adapter, s event.Spec, prompt string) ([]string, error) {
	kind := kindOf(s)
	i := slices.IndexFunc(in.known, func(k known) bool { return reflect.DeepEqual(k.spec, kind) })
	if i >= 0 && len(prompt) <= in.known[i].prompt {
		return in.known[i].missing, nil
	}
	if err := checkCopies(s); err != nil {
		return nil, err
	}
	if err := in.checkAgent(ctx, ad, s, prompt); err != nil {
		return nil, err
	}
	if i >= 0 {
		in.known[i].prompt = len(prompt)
		return in.known[i].missing, nil
	}
	if len(in.known) == maxKnown {
		in.known = in.known[1:]
	}
	k := known{spec: kind, prompt: len(prompt), missing: notHandedOn(ad.Facts().Variables, in.fleet.Environ, s)}
	in.known = append(in.known, k)
	return k.missing, nil
}
