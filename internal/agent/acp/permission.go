package acp

import (
	"encoding/json"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/mail"
	"muster/internal/text"
)

// maxRequests is how many requests of an agent may wait at once; further ones are cancelled.
const maxRequests = 8

// decision is the answer to a request.
type decision struct {
	id   json.RawMessage
	of   *turn
	what permission
	// refused is why it is not allowed; "" if it is. Without ok nobody decided.
	refused string
	ok      bool
}

// request handles a request for a permission: muster's rules or a person decide. It is never answered without a decision.
func (p *program) request(id, params json.RawMessage) {
	var in permission
	if json.Unmarshal(params, &in) != nil || in.Session != p.session || p.turn == nil || p.turn.cancelled || p.open >= maxRequests {
		p.agent.answer(id, cancelled())
		return
	}
	p.taken()
	toolID := text.Field(in.Tool.ID, nameLimit)
	in.Tool = p.tools[toolID].over(in.Tool)
	shown := in.Tool.asked()
	input, err := json.Marshal(shown)
	if err != nil {
		p.agent.answer(id, cancelled())
		return
	}
	tool := in.Tool.tool()
	ask := event.NewAsk(tool, input)
	d := decision{id: id, of: p.turn, what: in, ok: true}
	if command := shown.command(); classes[shown.Kind] == event.ToolRun && p.NeedsNoDecision(command) || agent.UseGrant(p.Home, p.Task, p.Gen, ask) {
		p.decide(d)
		return
	}
	note := text.Line(tool+": "+shown.what(), noteLimit)
	p.screen.line("?", note)
	r := event.Record{State: event.RecordWaiting, Reason: event.WaitPermission, Tool: tool, ToolUseID: toolID, Note: note}
	on := event.Record{State: event.RecordWorking, Tool: tool, ToolUseID: toolID}
	p.open++
	ctx, key := p.turn.ctx, mail.NewRequest()
	go func() {
		answer, ok := p.Hold(ctx, key, key, ask, r, on, p.write)
		d.ok = ok
		if ok {
			d.refused = agent.Refusal(ask, answer)
		} else {
			p.Asked().Close(key)
		}
		p.decided <- d // has room for all that may be open
	}()
}

// what describes what the tool wants to do.
func (a asked) what() string {
	switch {
	case a.command() != "":
		return a.command()
	case a.Title != "":
		return a.Title
	case len(a.Paths) > 0:
		return a.Paths[0]
	}
	return string(a.Input)
}

// decide answers a request. The agent of a turn that is over gets no answer that allows something.
func (p *program) decide(d decision) {
	switch {
	case !d.ok || d.of != p.turn || p.turn.cancelled:
		p.agent.answer(d.id, cancelled())
	case d.refused != "":
		p.screen.line("?", "not allowed: "+text.Line(d.refused, noteLimit))
		p.turn.refused = append(p.turn.refused, d.refused)
		p.agent.answer(d.id, d.what.choose("reject_once"))
	default:
		p.screen.line("?", "allowed")
		p.agent.answer(d.id, d.what.choose("allow_once"))
	}
}
