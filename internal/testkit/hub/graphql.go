package hub

import (
	"fmt"
	"regexp"
	"strings"
)

// field is one field of a query, or a group of fields that only a type has.
type field struct {
	alias, name string
	args        map[string]string
	on          string  // of an inline fragment: the type
	spread      string  // the name of a fragment
	fields      []field // nil for a leaf
}

var tokens = regexp.MustCompile(`\.\.\.|"(?:\\.|[^"\\])*"|[_A-Za-z0-9-]+|[!$()\[\]{}:=@|]`)

// parser reads as much of GraphQL as a client of this server may use. It panics with a string where a query is wrong.
type parser struct {
	words []string
	at    int
}

func (p *parser) peek() string {
	if p.at < len(p.words) {
		return p.words[p.at]
	}
	return ""
}

func (p *parser) next() string {
	p.at++
	return p.words[p.at-1]
}

func (p *parser) eat(word string) {
	if p.peek() != word {
		panic(fmt.Sprintf("Expected %s, actual: %q", word, p.peek()))
	}
	p.at++
}

// parseQuery returns the fields of the query and its fragments.
func parseQuery(query string) (top []field, fragments map[string][]field) {
	p := &parser{words: tokens.FindAllString(query, -1)}
	fragments = map[string][]field{}
	for p.peek() != "" {
		switch p.next() {
		case "fragment":
			name := p.next()
			p.eat("on")
			p.next()
			fragments[name] = p.selection()
		case "query":
			for p.peek() != "{" {
				p.next()
			}
			top = p.selection()
		default:
			panic("Expected a query")
		}
	}
	return top, fragments
}

func (p *parser) selection() (out []field) {
	p.eat("{")
	for p.peek() != "}" {
		if p.peek() == "..." {
			p.next()
			if p.peek() == "on" {
				p.next()
				on := p.next()
				out = append(out, field{on: on, fields: p.selection()})
				continue
			}
			out = append(out, field{spread: p.next()})
			continue
		}
		f := field{name: p.next(), args: map[string]string{}}
		f.alias = f.name
		if p.peek() == ":" {
			p.next()
			f.name = p.next()
		}
		if p.peek() == "(" {
			p.next()
			for p.peek() != ")" {
				name := p.next()
				p.eat(":")
				value := p.next()
				switch value {
				case "[":
					for value = ""; p.peek() != "]"; {
						value += p.next()
					}
					p.next()
				case "$":
					value += p.next()
				}
				f.args[name] = value
			}
			p.next()
		}
		if p.peek() == "{" {
			f.fields = p.selection()
		}
		out = append(out, f)
	}
	p.next()
	return out
}

// object is a value with a type. A value of a field may be an object, a list of them, or what JSON has.
type object struct {
	kind   string
	values map[string]any
}

// project returns the selected fields of an object. A field that the type does not have is refused, as GitHub does.
func project(o object, fields []field, fragments map[string][]field) map[string]any {
	out := map[string]any{}
	add := func(more map[string]any) {
		for k, v := range more {
			out[k] = v
		}
	}
	for _, f := range fields {
		switch {
		case f.spread != "":
			add(project(o, fragments[f.spread], fragments))
		case f.on == o.kind:
			add(project(o, f.fields, fragments))
		case f.on != "":
		case f.name == "__typename":
			out[f.alias] = o.kind
		default:
			v, ok := o.values[f.name]
			if !ok {
				panic(fmt.Sprintf("Field '%s' doesn't exist on type '%s'", f.name, o.kind))
			}
			out[f.alias] = projectValue(v, f, fragments)
		}
	}
	return out
}

func projectValue(v any, f field, fragments map[string][]field) any {
	switch v := v.(type) {
	case object:
		return project(v, f.fields, fragments)
	case []object:
		list := []any{}
		for _, o := range v {
			list = append(list, project(o, f.fields, fragments))
		}
		return list
	case func(f field) any:
		return projectValue(v(f), f, fragments)
	}
	if f.fields != nil && v != nil {
		panic("Selections can't be made on scalars: " + f.name)
	}
	return v
}

// nodes is a connection with these objects.
func nodes(kind string, all []object) object {
	return object{kind + "Connection", map[string]any{"nodes": all, "totalCount": len(all)}}
}

func upper(s string) string { return strings.ToUpper(s) }
