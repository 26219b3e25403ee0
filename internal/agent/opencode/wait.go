package opencode

import (
	"context"

	"muster/internal/agent"
)

const (
	// maxHandover is the maximum size in bytes of the messages of one answer. The others follow with the next.
	maxHandover = 1 << 20
)

// wait blocks until there are messages, hands them to the plugin, and ends. It does not outlive its agent.
//
// A message leaves the inbox just before it is handed over. If the agent is killed in between, the message never shows in the
// conversation; the supervisor finds that it is absent and returns it to the inbox.
func (s *hookState) wait(ctx context.Context) {
	box := s.Box()
	release, err := box.Waiter(true)
	if err != nil {
		return
	}
	defer release()
	for {
		messages, forged := agent.Collect(box, maxHandover)
		if len(messages) > 0 {
			s.Reply(map[string]any{"messages": messages})
			return
		}
		if err := s.Listen(ctx, box, forged); err != nil {
			return
		}
	}
}
