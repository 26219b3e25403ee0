package web

import (
	"html"
	"strings"

	"muster/internal/text"
)

// doc is a page in the making. Its methods are the only code that writes markup, and they know the three contexts that a page
// has: text, attributes, and addresses. There is no context of scripts or styles, because the content security policy allows
// neither in a page. html/template would do the same for an eighth of the program's size.
type doc struct{ b strings.Builder }

// attrs are names and values of attributes, in turns. A name without a value has the value "-".
type attrs = []string

// bare is the value of an attribute that has none.
const bare = "-"

// open begins an element.
func (d *doc) open(tag string, at ...string) {
	d.b.WriteByte('<')
	d.b.WriteString(tag)
	for i := 0; i+1 < len(at); i += 2 {
		name, value := at[i], at[i+1]
		switch name {
		case "href", "action", "src", "formaction":
			value = address(value)
		default:
			if name == "style" || strings.HasPrefix(name, "on") { // the policy forbids both
				continue
			}
		}
		d.b.WriteByte(' ')
		d.b.WriteString(name)
		if value != bare {
			d.b.WriteString(`="`)
			d.b.WriteString(html.EscapeString(readable(value)))
			d.b.WriteByte('"')
		}
	}
	d.b.WriteByte('>')
}

// address returns an address of this server, a fragment, or a page elsewhere by https; about:invalid for anything else.
func address(s string) string {
	if strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//") && !strings.HasPrefix(s, `/\`) || strings.HasPrefix(s, "#") || strings.HasPrefix(s, "https://") {
		return s
	}
	return "about:invalid"
}

// readable returns a text without what could deceive a reader of a page, who does not see characters without a width.
func readable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == 0x200b || r == 0x180e || r >= 0x2060 && r <= 0x2064 {
			return -1
		}
		return r
	}, text.Clean(s))
}

// close ends an element.
func (d *doc) close(tag string) {
	d.b.WriteString("</")
	d.b.WriteString(tag)
	d.b.WriteByte('>')
}

// text adds a text. What could deceive a reader is removed.
func (d *doc) text(s string) { d.b.WriteString(html.EscapeString(readable(s))) }

// el adds an element with a text.
func (d *doc) el(tag, s string, at ...string) {
	d.open(tag, at...)
	d.text(s)
	d.close(tag)
}

// in adds an element whose content is made by fn.
func (d *doc) in(tag string, at attrs, fn func()) {
	d.open(tag, at...)
	fn()
	d.close(tag)
}

// part adds what another page in the making has.
func (d *doc) part(other *doc) { d.b.WriteString(other.b.String()) }

// String returns the page.
func (d *doc) String() string { return d.b.String() }
