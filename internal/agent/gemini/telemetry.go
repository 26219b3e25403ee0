package gemini

import (
	"encoding/json"
	"os"
	"strings"
	"time"

	"muster/internal/event"
)

// No hook says that the model's service refuses a call, while the agent calls again or shows its menu. Its telemetry does: a file of
// objects, each of which ends at a line with a brace alone.

const (
	telemetryName = "telemetry.jsonl"
	// maxTelemetry is the size above which the next turn begins with an empty file, in bytes. The agent adds some kilobytes each
	// ten seconds.
	maxTelemetry = 8 << 20
	// series is how often the agent calls until it pauses and begins again: so many errors in a row are reported as one.
	series = 10
)

// shorten empties the file of a telemetry that has grown large.
func shorten(path string) {
	if st, err := os.Lstat(path); err == nil && st.Mode().IsRegular() && st.Size() > maxTelemetry {
		_ = os.Truncate(path, 0)
	}
}

// telemetry translates the events of one conversation. It is used by one goroutine at a time.
type telemetry struct {
	conversation string
	at           map[string]string // the wanted attributes of the object that is read
	errors       int               // in a row
}

// wanted are the attributes that are used, each on a line of its own.
var wanted = []string{"session.id", "event.name", "event.timestamp", "error.message"}

// parse returns a record for a limit and for a series of errors, and one when the calls succeed again.
func (p *telemetry) parse(line []byte) ([]event.Record, error) {
	if len(line) > 0 && line[0] == '}' {
		at := p.at
		p.at = nil
		return p.event(at), nil
	}
	said := strings.TrimSuffix(strings.TrimSpace(string(line)), ",")
	for _, name := range wanted {
		rest, ok := strings.CutPrefix(said, `"`+name+`": `)
		var value string
		if !ok || json.Unmarshal([]byte(rest), &value) != nil {
			continue
		}
		if p.at == nil {
			p.at = map[string]string{}
		}
		p.at[name] = value
	}
	return nil, nil
}

// event translates one event.
func (p *telemetry) event(at map[string]string) []event.Record {
	when, err := time.Parse(time.RFC3339Nano, at["event.timestamp"])
	if err != nil || at["session.id"] != p.conversation {
		return nil
	}
	base := event.Record{Src: event.SrcTranscript, Time: when.UTC(), SessionID: p.conversation}
	switch at["event.name"] {
	case "gemini_cli.api_response":
		again := p.errors >= series
		p.errors = 0
		if again {
			base.State = event.RecordWorking
			return []event.Record{base}
		}
	case "gemini_cli.api_error":
		e := parseError(at["error.message"])
		if e.opensMenu() {
			p.errors = series // until a call succeeds
			return []event.Record{menu(base, e, at["error.message"])}
		}
		if p.errors++; p.errors == series {
			return []event.Record{turnError(base, at["error.message"])}
		}
	}
	return nil
}

// menu returns the record of a limit at which the agent shows its menu.
func menu(r event.Record, e apiError, said string) event.Record {
	r = turnError(r, said)
	if r.State == event.RecordError && e.Error.Code == 429 {
		r.Error = event.ErrorRateLimit
	}
	return r
}
