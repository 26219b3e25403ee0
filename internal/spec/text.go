package spec

import (
	"encoding/json"
	"unicode/utf8"
)

// Text is a string of any bytes. In JSON, valid UTF-8 is a string, anything else is {"base64": …}.
type Text string

// MarshalJSON keeps every byte.
func (t Text) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(t)) {
		return json.Marshal(string(t))
	}
	return json.Marshal(struct {
		Base64 []byte `json:"base64"`
	}{[]byte(t)})
}

// UnmarshalJSON reads both forms.
func (t *Text) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*t = Text(s)
		return nil
	}
	var x struct {
		Base64 []byte `json:"base64"`
	}
	if err := json.Unmarshal(b, &x); err != nil {
		return err
	}
	*t = Text(x.Base64)
	return nil
}

// Texts converts strings to Texts.
func Texts(in []string) []Text {
	out := make([]Text, len(in))
	for i, s := range in {
		out[i] = Text(s)
	}
	return out
}

// Strings converts Texts to strings.
func Strings(in []Text) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = string(s)
	}
	return out
}
