package event_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/event"
)

var update = flag.Bool("update", false, "write docs/reference/events.md anew")

const eventsHead = `# Events

<!-- Generated from the source of internal/event by "go test ./internal/event -update". Do not edit. -->

Everything that happened is one event in the log; tasks, messages and usage are folded from it. ` + "`muster events --json`" + `
prints one object a line: ` + "`seq, time, task, gen, kind, data`" + `. Kinds are never renamed, and a reader ignores kinds and
fields that it does not know. Durations in ` + "`data`" + ` are nanoseconds, times are RFC 3339.
`

const actionsHead = `
## Actions

The ` + "`action`" + ` of ` + "`action.intended`" + ` is one object: ` + "`id, kind, gen`" + `, and the arguments of its kind.

| kind | does | arguments |
|---|---|---|
`

// TestTheEventsPageIsFresh compares the page with the source. The writer of a kind is the comment above it in the
// table. Its meaning and its fields are the comments of its payload.
func TestTheEventsPageIsFresh(t *testing.T) {
	t.Parallel()
	src := parseSource(t)
	var b strings.Builder
	b.WriteString(eventsHead)
	seen := 0
	for _, group := range src.groups {
		fmt.Fprintf(&b, "\n## %s\n\n| kind | means | data |\n|---|---|---|\n", strings.TrimSuffix(group.writer, "."))
		for _, k := range group.kinds {
			s, ok := src.types[k.payload]
			if !ok || s.doc == "" {
				t.Fatalf("payload %s of %s has no comment", k.payload, k.name)
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.name, cell(meaning(k.payload, s.doc)), cell(strings.Join(s.fields, "<br>")))
			seen++
		}
	}
	if want := len(event.Kinds()); seen != want {
		t.Fatalf("%d kinds found in the source, the program knows %d", seen, want)
	}
	b.WriteString(actionsHead)
	for _, k := range src.actions {
		s, ok := src.types[k.payload]
		if !ok || s.doc == "" {
			t.Fatalf("arguments %s of %s have no comment", k.payload, k.name)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.name, cell(meaning(k.payload, s.doc)), cell(strings.Join(s.fields, "<br>")))
	}
	if want := len(event.ActionKinds()); len(src.actions) != want {
		t.Fatalf("%d kinds of actions found in the source, the program knows %d", len(src.actions), want)
	}
	comparePage(t, "events.md", b.String())
}

func comparePage(t *testing.T, name, want string) {
	t.Helper()
	page := filepath.Join("..", "..", "docs", "reference", name)
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil { //nolint:gosec // a page of the repository
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Errorf("stale; run go test ./internal/event -update (-want +got):\n%s", d)
	}
}

// meaning returns a comment without the name at its beginning.
func meaning(name, doc string) string {
	rest := strings.TrimPrefix(doc, name+" ")
	for _, verb := range []string{"is ", "says that ", "says "} {
		if cut, ok := strings.CutPrefix(rest, verb); ok {
			rest = cut
			break
		}
	}
	return strings.ToUpper(rest[:1]) + rest[1:]
}

func cell(s string) string {
	if s == "" {
		return "–"
	}
	return strings.ReplaceAll(s, "|", "\\|")
}

type source struct {
	groups  []kindGroup
	actions []kindRow
	types   map[string]payloadType
}

type kindGroup struct {
	writer string
	kinds  []kindRow
}

type kindRow struct{ name, payload string }

type payloadType struct {
	doc    string
	fields []string
}

func parseSource(t *testing.T) source {
	t.Helper()
	s := source{types: map[string]payloadType{}}
	fset := token.NewFileSet()
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			gen, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range gen.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					s.addType(gen, spec)
				case *ast.ValueSpec:
					switch spec.Names[0].Name {
					case "kinds":
						s.addKinds(t, f, spec.Values[0].(*ast.CompositeLit))
					case "actions":
						for _, e := range spec.Values[0].(*ast.CompositeLit).Elts {
							s.actions = append(s.actions, rowOf(e.(*ast.KeyValueExpr)))
						}
					}
				}
			}
		}
	}
	return s
}

func (s *source) addType(gen *ast.GenDecl, spec *ast.TypeSpec) {
	st, ok := spec.Type.(*ast.StructType)
	if !ok {
		return
	}
	doc := gen.Doc.Text()
	if spec.Doc != nil {
		doc = spec.Doc.Text()
	}
	p := payloadType{doc: oneLine(doc)}
	for _, field := range st.Fields.List {
		if field.Tag == nil {
			continue
		}
		name, _, _ := strings.Cut(reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get("json"), ",")
		text := "`" + name + "`"
		if say := oneLine(field.Doc.Text() + " " + field.Comment.Text()); say != "" {
			text += " " + say
		}
		p.fields = append(p.fields, text)
	}
	s.types[spec.Name.Name] = p
}

// addKinds reads the table. A comment on a line of its own starts a group.
func (s *source) addKinds(t *testing.T, f *ast.File, table *ast.CompositeLit) {
	t.Helper()
	for _, e := range table.Elts {
		kv := e.(*ast.KeyValueExpr)
		writer := ""
		for _, c := range f.Comments {
			if c.Pos() > table.Lbrace && c.End() < kv.Pos() {
				writer = oneLine(c.Text())
			}
		}
		if writer == "" {
			t.Fatal("the table does not say who writes its kinds")
		}
		if n := len(s.groups); n == 0 || s.groups[n-1].writer != writer {
			s.groups = append(s.groups, kindGroup{writer: writer})
		}
		g := &s.groups[len(s.groups)-1]
		g.kinds = append(g.kinds, rowOf(kv))
	}
}

// rowOf reads one entry of a table: a name, and the function that decodes its type.
func rowOf(kv *ast.KeyValueExpr) kindRow {
	return kindRow{
		name:    strings.Trim(kv.Key.(*ast.BasicLit).Value, `"`),
		payload: kv.Value.(*ast.IndexExpr).Index.(*ast.Ident).Name,
	}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
