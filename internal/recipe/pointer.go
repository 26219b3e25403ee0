package recipe

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// CheckPointer returns what is wrong with a JSON pointer (RFC 6901); "" if nothing is. The pointer to the whole document is
// refused: no field is the whole payload.
func CheckPointer(p string) string {
	switch {
	case p == "":
		return "is empty"
	case !strings.HasPrefix(p, "/"):
		return fmt.Sprintf("is %q, and a pointer begins with /", p)
	case len(p) > maxWord:
		return fmt.Sprintf("has more than %d bytes", maxWord)
	}
	for i := 0; i < len(p); i++ {
		if p[i] == '~' && (i+1 == len(p) || p[i+1] != '0' && p[i+1] != '1') {
			return fmt.Sprintf("is %q, and ~ in a pointer is written ~0, and / in a name ~1", p)
		}
	}
	return ""
}

var unescape = strings.NewReplacer("~1", "/", "~0", "~")

// At returns the value at a pointer of a decoded document, and whether there is one.
func At(doc any, pointer string) (any, bool) {
	if pointer == "" {
		return nil, false
	}
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		part = unescape.Replace(part)
		switch in := doc.(type) {
		case map[string]any:
			v, ok := in[part]
			if !ok {
				return nil, false
			}
			doc = v
		case []any:
			n, err := strconv.Atoi(part)
			if err != nil || n < 0 || n >= len(in) || strconv.Itoa(n) != part {
				return nil, false
			}
			doc = in[n]
		default:
			return nil, false
		}
	}
	return doc, true
}

// Text returns the text at a pointer: a string, or a number as JSON writes it. It is "" for anything else.
func Text(doc any, pointer string) string {
	v, _ := At(doc, pointer)
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case float64, int64:
		b, _ := json.Marshal(v)
		return string(b)
	}
	return ""
}

// First returns the text at the first pointer that has one.
func First(doc any, pointers []string) string {
	for _, p := range pointers {
		if s := Text(doc, p); s != "" {
			return s
		}
	}
	return ""
}

// Raw returns the value at the first pointer that has one, as JSON; nil if none has.
func Raw(doc any, pointers []string) json.RawMessage {
	for _, p := range pointers {
		if v, ok := At(doc, p); ok {
			if b, err := json.Marshal(v); err == nil {
				return b
			}
		}
	}
	return nil
}

// Count returns the number at a pointer that counts something; 0 if there is none, and for one that is negative or not finite.
func Count(doc any, pointer string) float64 {
	n, err := strconv.ParseFloat(Text(doc, pointer), 64)
	if err != nil || !(n >= 0 && n <= 1e15) {
		return 0
	}
	return n
}
