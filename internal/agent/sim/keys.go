package sim

import (
	"bytes"
	"unicode/utf8"
)

// keyKind is the kind of a typed key.
type keyKind int

const (
	keyText keyKind = iota
	keyEnter
	keyInterrupt
	keyErase // the last character
	keyClear // the whole draft
)

type key struct {
	kind keyKind
	text string
}

// keyboard parses the bytes that a terminal sends. It treats Enter as real agents do: in a paste, or in one read with
// other text, it is a new line; an Enter that comes alone submits.
type keyboard struct {
	held    []byte // the beginning of an incomplete sequence or character
	pasting bool
}

const (
	pasteBegin = "\x1b[200~"
	pasteEnd   = "\x1b[201~"
	escape     = 0x1b
)

// read parses the bytes of one read.
func (k *keyboard) read(chunk []byte) []key {
	alone := !k.pasting && len(bytes.Trim(chunk, "\r\n")) == 0
	data := append(k.held, chunk...)
	k.held = nil
	var keys []key
	var text []byte
	flush := func() {
		if len(text) > 0 {
			keys = append(keys, key{kind: keyText, text: string(text)})
			text = nil
		}
	}
	for i := 0; i < len(data); {
		c := data[i]
		if c == escape {
			n, complete := sequence(data[i:])
			if !complete {
				k.held = bytes.Clone(data[i:])
				break
			}
			switch string(data[i : i+n]) {
			case pasteBegin:
				k.pasting = true
			case pasteEnd:
				k.pasting = false
			}
			i += n
			continue
		}
		i++
		switch {
		case (c == '\r' || c == '\n') && alone:
			flush()
			keys = append(keys, key{kind: keyEnter})
		case c == '\r':
			text = append(text, '\n')
			if i < len(data) && data[i] == '\n' {
				i++
			}
		case c == '\n' || c == '\t':
			text = append(text, c)
		case c == 0x03 && !k.pasting:
			flush()
			keys = append(keys, key{kind: keyInterrupt})
		case (c == 0x7f || c == 0x08) && !k.pasting:
			flush()
			keys = append(keys, key{kind: keyErase})
		case c == 0x15 && !k.pasting:
			flush()
			keys = append(keys, key{kind: keyClear})
		case c < ' ' || c == 0x7f:
		default:
			n := 1
			if c >= utf8.RuneSelf {
				if !utf8.FullRune(data[i-1:]) {
					k.held = bytes.Clone(data[i-1:])
					i = len(data)
					continue
				}
				_, n = utf8.DecodeRune(data[i-1:])
			}
			text = append(text, data[i-1:i-1+n]...)
			i += n - 1
		}
	}
	flush()
	return keys
}

// sequence returns the length of the escape sequence at the beginning of data.
func sequence(data []byte) (n int, complete bool) {
	const most = 64 // anything longer is not a sequence
	if len(data) < 2 {
		return 0, false
	}
	if data[1] != '[' && data[1] != 'O' {
		return 1, true // the Escape key; the rest is separate input
	}
	for i := 2; i < len(data) && i < most; i++ {
		if data[i] >= 0x40 && data[i] <= 0x7e {
			return i + 1, true
		}
	}
	return min(len(data), most), len(data) >= most
}
