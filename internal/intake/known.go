package intake

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"muster/internal/agent"
	"muster/internal/event"
)

// known is an agent that can start. A file of many tasks names few of them, and asking an adapter may run the agent's
// program.
type known struct {
	spec    event.Spec // without the fields that differ between tasks of one kind
	prompt  int        // bytes of the longest prompt that was tried
	missing []string   // variables that are set here and not passed on
}

// maxKnown bounds the number of remembered agents.
const maxKnown = 64

// kindOf returns a spec without the fields that do not matter for the start of its agent.
func kindOf(s event.Spec) event.Spec {
	s.Name, s.Slug, s.Summary, s.After, s.Issue = "", "", "", nil, nil
	s.Priority, s.Attempts, s.Respawns, s.Rounds = 0, 0, 0, 0
	s.Timeout, s.WaitLimit, s.Keep, s.Silence, s.SilenceInTool, s.CILimit = 0, 0, 0, 0, 0, 0
	if strings.HasPrefix(s.Base, "@") {
		s.Base = "@" // the base does not exist yet
	}
	return s
}

// ready checks that the files to copy exist and that the agent could start. It returns the variables of the agent
// that are set here and not passed on. Orders that differ only in texts and limits are checked once.
func (in *Intake) ready(ctx context.Context, ad agent.Adapter, at *checkout, s event.Spec, prompt string) ([]string, error) {
	kind := kindOf(s)
	i := slices.IndexFunc(in.known, func(k known) bool { return reflect.DeepEqual(k.spec, kind) })
	if i >= 0 && len(prompt) <= in.known[i].prompt {
		return in.known[i].missing, nil
	}
	if err := checkCopies(s); err != nil {
		return nil, err
	}
	if err := in.checkAgent(ctx, ad, s, prompt, at.files(s.Base)); err != nil {
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
