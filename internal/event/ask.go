package event

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// MaxInput is how many bytes of a request's input are kept.
const MaxInput = 64 << 10

// Limits of the questions of one request. A request beyond them is marked as cut.
const (
	maxQuestions = 10
	maxOptions   = 20
	maxWords     = 4 << 10
)

// Ask is the whole request of an agent: the input of the tool that needs a permission, or questions.
type Ask struct {
	// Input is the tool's input as JSON with sorted keys, of which the first 64 KiB are kept.
	Input string `json:"input,omitempty"`
	// Size is the length of the whole input in bytes.
	Size int `json:"size,omitempty"`
	// Hash is the SHA-256 of the tool's name, a newline and the whole input, in hexadecimal.
	Hash string `json:"hash,omitempty"`
	// Cut reports whether a part of Input or Questions is missing. Such a request can only be denied.
	Cut bool `json:"cut,omitempty"`
	// Questions are the questions of a request that is a question.
	Questions []Question `json:"questions,omitempty"`
	// Use describes the tool for rules. Only the supervisor writes it; nil where the kind of agent has no description.
	Use *ToolUse `json:"use,omitempty"`
}

// Question is one of the questions of a request.
type Question struct {
	Text    string   `json:"text"`
	Header  string   `json:"header,omitempty"` // a title of one or two words
	Options []Option `json:"options,omitempty"`
	Multi   bool     `json:"multi,omitempty"` // several options may be chosen
}

// Option is an answer that a question offers.
type Option struct {
	Label       string `json:"label"`
	Description string `json:"description,omitempty"`
}

// NewAsk returns the request of a tool with its input. Two inputs with the same meaning have the same hash: the order
// of keys and white space make no difference. An input that is not JSON is taken unchanged.
func NewAsk(tool string, input []byte) Ask {
	whole := canonical(input)
	a := Ask{Input: whole, Size: len(whole), Hash: hashOf(tool, whole)}
	if !utf8.ValidString(whole) || strings.ContainsRune(whole, utf8.RuneError) {
		a.Cut = true // the log cannot store these bytes, so the text that is shown differs from them
		a.Input = strings.ToValidUTF8(whole, "\uFFFD")
	}
	if len(a.Input) > MaxInput {
		a.Cut = true
		a.Input = strings.ToValidUTF8(a.Input[:MaxInput], "")
	}
	return a
}

// WithQuestions returns the request with its questions, of which it keeps at most ten.
func (a Ask) WithQuestions(questions []Question) Ask {
	if len(questions) > maxQuestions {
		questions, a.Cut = questions[:maxQuestions], true
	}
	a.Questions = nil
	for _, q := range questions {
		if len(q.Options) > maxOptions {
			q.Options, a.Cut = q.Options[:maxOptions], true
		}
		a.Cut = cut(&q.Text) || a.Cut
		a.Cut = cut(&q.Header) || a.Cut
		var options []Option
		for _, o := range q.Options {
			a.Cut = cut(&o.Label) || a.Cut
			a.Cut = cut(&o.Description) || a.Cut
			options = append(options, o)
		}
		q.Options = options
		a.Questions = append(a.Questions, q)
	}
	return a
}

func cut(s *string) bool {
	if len(*s) <= maxWords {
		return false
	}
	*s = strings.ToValidUTF8((*s)[:maxWords], "")
	return true
}

// Checked returns the request in the form in which it may be stored if another program wrote it: within its limits,
// and with Cut set if the hash is not that of the input.
func (a Ask) Checked(tool string) Ask {
	b := a.WithQuestions(a.Questions)
	b.Use = nil
	if len(b.Input) > MaxInput {
		b.Input = strings.ToValidUTF8(b.Input[:MaxInput], "")
	}
	if b.Hash != hashOf(tool, b.Input) || b.Size != len(b.Input) {
		b.Cut = true
	}
	if raw, err := hex.DecodeString(b.Hash); err != nil || len(raw) != sha256.Size {
		b.Hash = "" // it cannot be compared
	}
	return b
}

func hashOf(tool, input string) string {
	sum := sha256.Sum256([]byte(tool + "\n" + input))
	return hex.EncodeToString(sum[:])
}

// canonical returns JSON with sorted keys and without white space. It returns other text unchanged.
func canonical(input []byte) string {
	d := json.NewDecoder(bytes.NewReader(input))
	d.UseNumber() // a large number must not be rounded
	var v any
	if d.Decode(&v) != nil || d.More() {
		return string(input)
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return string(input)
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// Shown reports whether a hash is that of the whole request, which is required to allow it. Requests in logs of older
// versions have no hash to compare, and neither have their answers.
func (r RequestOpened) Shown(hash string) bool {
	if r.Ask == nil {
		return hash == ""
	}
	return !r.Ask.Cut && r.Ask.Hash != "" && r.Ask.Hash == hash
}

// Questions returns the questions of a request. There is at least one.
func (r RequestOpened) Questions() []Question {
	if r.Ask != nil && len(r.Ask.Questions) > 0 {
		return r.Ask.Questions
	}
	q := Question{Text: r.Text}
	for _, o := range r.Options {
		q.Options = append(q.Options, Option{Label: o})
	}
	return []Question{q}
}
