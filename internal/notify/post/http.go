package post

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"muster/internal/config"
	"muster/internal/event"
	"muster/internal/notify"
	"muster/internal/text"
)

// client never follows a redirection: it would hand token and text to another host.
var client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// Limits of receivers, in bytes, with some room for what JSON adds.
const (
	mostNtfy    = 3000 // of 4,096 for the whole message
	mostSlack   = 3500 // of 4,000
	mostDiscord = 1900 // of 2,000 characters
	mostAnswer  = 4 << 10
)

// ntfy posts to the root of a server of ntfy. The topic is in the body, so that no log of a proxy has it.
func (c Channel) ntfy(ctx context.Context, m notify.Text) error {
	body := map[string]any{
		"topic": c.topic, "title": text.Cut(m.Title, 250), "message": text.Cut(m.Text, mostNtfy), "priority": priority(m.Kind),
		"sequence_id": "muster-" + m.ID, // a repeat replaces the message on the phone
	}
	if buttons := c.buttons(m); len(buttons) > 0 {
		body["actions"] = buttons
	}
	return c.post(ctx, body)
}

// priority is that of ntfy, from 1 to 5.
func priority(k event.NoticeKind) int {
	switch k {
	case event.NoticeAsks, event.NoticeReminder, event.NoticeStill, event.NoticeGate:
		return 4
	case event.NoticeDigest:
		return 2
	case event.NoticeParked, event.NoticeFailed, event.NoticeOver, event.NoticeTest, event.NoticeMerge:
	}
	return 3
}

func (c Channel) webhook(ctx context.Context, m notify.Text) error {
	switch c.Shape {
	case config.ShapeSlack:
		return c.post(ctx, map[string]any{
			"text": text.Cut(slack(m.Title)+"\n"+slack(m.Text), mostSlack), "mrkdwn": false, "link_names": false, "unfurl_links": false, "unfurl_media": false,
		})
	case config.ShapeDiscord:
		return c.post(ctx, map[string]any{
			"content": text.Cut("**"+discord(m.Title)+"**\n"+discord(m.Text), mostDiscord), "allowed_mentions": map[string]any{"parse": []string{}},
			"flags": 1 << 2, // no previews of links
		})
	}
	return c.post(ctx, m)
}

// slack escapes what Slack would read as a link or as a mention, such as <!channel>.
func slack(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// discord escapes what Discord would read as markup, such as a link with another text.
func discord(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune("\\*_~`|>#[]()<@:-", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// post sends JSON. Its error has no address in it.
func (c Channel) post(ctx context.Context, body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.address, bytes.NewReader(data))
	if err != nil {
		return errors.New("the address is none")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "muster")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := client.Do(req)
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return nil
	}
	return &Refused{Status: resp.Status, After: after(resp.Header.Get("Retry-After"), time.Now()), Text: string(answer)}
}

// after reads the header Retry-After, which has seconds or a date; 0 if it has neither. It may have a fraction.
func after(header string, now time.Time) time.Duration {
	if n, err := strconv.ParseFloat(header, 64); err == nil && n > 0 && n < 1e9 {
		return time.Duration(n * float64(time.Second))
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
