package inside

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/home"
	"muster/internal/regular"
	"muster/internal/status"
	"muster/internal/text"
)

// MaxFindings is how many bytes of a reviewer's findings are kept.
const MaxFindings = status.MaxFindings

// maxSeal is the longest secret of a reviewer, in bytes.
const maxSeal = 1 << 10

// Verdict reports what a reviewer thinks of the work. Only a generation of a reviewer has the secret that such a report
// needs; elsewhere it is a fault.Conflict.
func (v Voice) Verdict(result event.VerdictColor, findings string) (event.Record, error) {
	secret, err := regular.Read(filepath.Join(v.files().RO(), home.SealName), maxSeal)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return event.Record{}, fault.New(fault.Conflict, "%s reviews nothing, so it has no verdict to give", v.task).
			WithHint("When its work is complete: muster done")
	case err != nil:
		return event.Record{}, fault.Wrap(fault.Failed, err, "read the secret of this reviewer")
	}
	r := event.Record{State: event.RecordDone, Verdict: &event.Verdict{Result: result, Findings: text.Cut(strings.TrimSpace(text.Clean(findings)), MaxFindings), Seal: string(secret)}}
	err = v.Report(r)
	r.Verdict.Seal = ""
	return r, err
}
