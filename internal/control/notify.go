package control

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"muster/internal/boot"
	"muster/internal/config"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/notify"
	"muster/internal/notify/post"
	"muster/internal/store"
	"muster/internal/text"
)

// TestNotice sends a message through a channel, in the environment that the fleet was started with.
type TestNotice struct{ Channel string }

// Noticed is a message that a channel has taken.
type Noticed struct {
	Channel string `json:"channel"`
	Kind    string `json:"kind"`
	Message string `json:"message"` // its id
}

func (q TestNotice) get(ctx context.Context, c *Control, _ *store.Store) (Noticed, error) {
	if err := c.outside("muster notify test"); err != nil {
		return Noticed{}, err
	}
	f, err := c.fleet()
	if err != nil {
		return Noticed{}, err
	}
	all := f.Config.Notify.Channels
	i := slices.IndexFunc(all, func(c config.Channel) bool { return c.Name == q.Channel })
	if i < 0 {
		hint := "Describe it in " + f.UserConfig + " under [notify." + text.Line(q.Channel, 64) + "]; docs/notifications.md has examples."
		if len(all) > 0 {
			names := make([]string, len(all))
			for i, c := range all {
				names[i] = c.Name
			}
			hint = "The channels are " + strings.Join(names, ", ") + "."
		}
		return Noticed{}, fault.New(fault.NotFound, "there is no channel %q", q.Channel).WithHint("%s", hint)
	}
	channel, err := post.New(all[i], f.Saved)
	if err != nil {
		return Noticed{}, err
	}
	id := fmt.Sprintf("test%d", f.Now().Unix())
	if err := channel.Send(ctx, notify.Test(q.Channel, id)); err != nil {
		return Noticed{}, fault.Wrap(fault.Failed, err, "%s was not told", q.Channel).WithHint("See [notify.%s] in %s.", q.Channel, f.UserConfig)
	}
	return Noticed{Channel: q.Channel, Kind: all[i].Kind, Message: id}, nil
}

// Attention is how long after a person's newest key or click a front end takes it that somebody looks. A screen that is left
// open over night must not keep messages back.
const Attention = 2 * time.Minute

// Looking notes that a person looks at the fleet now: nothing is sent for half a minute. A front end calls it every few
// seconds while it has the person's attention.
func (c *Control) Looking() error {
	now := time.Now()
	path := c.home.Looked()
	if err := os.Chtimes(path, now, now); err == nil {
		return nil
	}
	return os.WriteFile(path, nil, 0o600)
}

// preflightNotices returns whether each channel could be used, and whether the newest message of it has arrived.
func preflightNotices(ctx context.Context, f boot.Fleet, db *store.Store) ([]Finding, error) {
	last := map[string]event.Payload{}
	since, err := db.SeqAt(ctx, f.Now().Add(-7*24*time.Hour))
	if err != nil {
		return nil, err
	}
	if len(f.Config.Notify.Channels) > 0 {
		for e, err := range db.Events(ctx, store.EventFilter{After: since, Kinds: []event.Kind{event.NoticeSent{}.Kind(), event.NoticeMissed{}.Kind()}}) {
			if err != nil {
				return nil, err
			}
			switch p := e.Data.(type) {
			case event.NoticeSent:
				last[p.Channel] = p
			case event.NoticeMissed:
				last[p.Channel] = p
			}
		}
	}
	var out []Finding
	for _, c := range f.Config.Notify.Channels {
		_, err := post.New(c, f.Saved)
		found := finding("notify", fmt.Sprintf("%s is told by %s", c.Name, c.Kind), err)
		if p, missed := last[c.Name].(event.NoticeMissed); missed && err == nil {
			found = Finding{Check: "notify", Level: LevelWarning, Text: fmt.Sprintf("%s did not take the newest message: %s", c.Name, text.Line(p.Why, 200)), Hint: "Try it: muster notify test " + c.Name}
		}
		out = append(out, found)
	}
	return out, nil
}
