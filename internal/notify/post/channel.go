package post

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"muster/internal/config"
	"muster/internal/environ"
	"muster/internal/fault"
	"muster/internal/notify"
	"muster/internal/text"
)

// sendLimit is how long a receiver has for one message.
const sendLimit = 10 * time.Second

// Channel delivers messages to one receiver.
type Channel struct {
	config.Channel
	address string // of the server or webhook
	topic   string
	token   string
	env     []string // of the programs that the channel runs
}

// New returns a channel as it is configured. Its variables are taken from env, the environment that the fleet was started
// with. The error is a fault.Conflict if that lacks one, or if an address is none.
func New(c config.Channel, env []string) (Channel, error) {
	out := Channel{Channel: c, address: c.URL}
	out.env, _ = environ.ForLaunch(env, nil)
	for _, from := range []struct {
		variable string
		to       *string
	}{{c.URLFrom, &out.address}, {c.TopicFrom, &out.topic}, {c.TokenFrom, &out.token}} {
		if from.variable == "" {
			continue
		}
		value := strings.TrimSpace(environ.Get(env, from.variable))
		if value == "" {
			return out, fault.New(fault.Conflict, "channel %s needs %s, and the fleet's environment does not have it", c.Name, from.variable).
				WithHint("Set it and run `muster up`, which saves the environment again.")
		}
		*from.to = value
	}
	if c.Kind == config.ChannelNtfy || c.Kind == config.ChannelWebhook {
		if err := config.CheckAddress(out.address); err != nil { // its text has no part of the address
			return out, fault.New(fault.Conflict, "channel %s: the value of %s %s", c.Name, c.URLFrom, err).WithHint("%s", fault.HintOf(err))
		}
	}
	return out, nil
}

// Refused is the error of a receiver that answered, and did not take a message.
type Refused struct {
	Status string
	// After is how long the receiver asks to wait; 0 if it does not say so.
	After time.Duration
	Text  string // the beginning of its answer
}

// Error names the status and the receiver's words.
func (r *Refused) Error() string {
	msg := "the receiver answers " + r.Status
	if r.Text != "" {
		msg += ": " + r.Text
	}
	return msg
}

// Send delivers a message. Its error has no address, topic or token in it.
func (c Channel) Send(ctx context.Context, m notify.Text) error {
	ctx, cancel := context.WithTimeout(ctx, sendLimit)
	defer cancel()
	var err error
	switch c.Kind {
	case config.ChannelNtfy:
		err = c.ntfy(ctx, m)
	case config.ChannelWebhook:
		err = c.webhook(ctx, m)
	case config.ChannelDesktop:
		err = c.desktop(ctx, m)
	case config.ChannelCommand:
		err = c.command(ctx, m)
	default:
		err = fmt.Errorf("there is no kind %q of channel", c.Kind)
	}
	if err == nil {
		return nil
	}
	if r, ok := errors.AsType[*Refused](err); ok {
		return &Refused{Status: r.Status, After: r.After, Text: c.hide(r.Text)}
	}
	return errors.New(c.hide(err.Error()))
}

// mostWhy bounds the reason of a failure, in bytes.
const mostWhy = 300

// hide removes the secrets of the channel from a text, and cleans it.
func (c Channel) hide(s string) string {
	for _, secret := range []string{c.token, c.topic, c.address} {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, "…")
		}
	}
	return text.Line(s, mostWhy)
}
