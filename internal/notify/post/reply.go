package post

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"muster/internal/config"
	"muster/internal/home"
	"muster/internal/life"
	"muster/internal/notify"
	"muster/internal/replace"
)

// KeySize is the size of the key of the codes, in bytes.
const KeySize = 32

// Key returns the key of the codes of a fleet, and makes it if there is none. Codes under a key that could not be saved are good
// for nothing, so an error means that there are no buttons.
func Key(h home.Dir) ([]byte, error) { return replace.Secret(h.ReplyKey(), KeySize) }

// button is an action of ntfy.
type button struct {
	Action string `json:"action"`
	Label  string `json:"label"`
	URL    string `json:"url"`
	Method string `json:"method"`
	Body   string `json:"body"`
	Clear  bool   `json:"clear"`
}

// Offer adds buttons to a message about one task that asks. A permission request that can be allowed is shown whole. It returns
// the message unchanged if the channel offers none.
func (c Channel) Offer(m notify.Text, t life.Task, key []byte) notify.Text {
	choices := notify.Choices(t, c.Answer)
	if len(choices) == 0 || c.Kind != config.ChannelNtfy {
		return m
	}
	if whole := notify.Request(*t.Request); whole != "" {
		m.Text = whole
	}
	for _, choice := range choices {
		m.Buttons = append(m.Buttons, notify.Button{Label: choice.Label, Code: notify.Code(key, t, choice), Topic: notify.ReplyTopic(key, c.topic)})
	}
	return m
}

// buttons returns the actions of a message.
func (c Channel) buttons(m notify.Text) (out []button) {
	for _, b := range m.Buttons {
		out = append(out, button{Action: "http", Label: b.Label, URL: c.at(b.Topic), Method: http.MethodPost, Body: b.Code, Clear: true})
	}
	return out
}

// at returns the address of a topic.
func (c Channel) at(topic string) string { return strings.TrimSuffix(c.address, "/") + "/" + topic }

// Reply is a line that arrived at the topic for codes.
type Reply struct {
	ID   string
	Time int64 // in seconds since 1970, by the clock of the server
	Code string
}

const (
	replyLine  = 16 << 10 // bytes of a line; the server's limit for a message is 4,096
	replyQuiet = 3 * time.Minute
)

// Listen calls take with each reply that arrives after since, which is a time in seconds, the id of a reply, or "" for now on.
// It returns when the stream ends, which it does from time to time. A server sends a line every 45 seconds at least.
func (c Channel) Listen(ctx context.Context, key []byte, since string, take func(Reply)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	address := c.at(notify.ReplyTopic(key, c.topic)) + "/json"
	if since != "" {
		address += "?since=" + url.QueryEscape(since)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return errors.New("the address is none")
	}
	req.Header.Set("User-Agent", "muster")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	quiet := time.AfterFunc(replyQuiet, cancel)
	defer quiet.Stop()
	resp, err := client.Do(req)
	if err != nil {
		return errors.New(c.hide(err.Error()))
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	if resp.StatusCode != http.StatusOK {
		return &Refused{Status: resp.Status, After: after(resp.Header.Get("Retry-After"), time.Now())}
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(make([]byte, 0, 4096), replyLine)
	for lines.Scan() {
		quiet.Reset(replyQuiet)
		var line struct {
			ID      string `json:"id"`
			Time    int64  `json:"time"`
			Event   string `json:"event"`
			Message string `json:"message"`
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Event == "message" {
			take(Reply{ID: line.ID, Time: line.Time, Code: strings.TrimSpace(line.Message)})
		}
	}
	if err := lines.Err(); err != nil {
		return errors.New(c.hide(err.Error()))
	}
	return nil
}
