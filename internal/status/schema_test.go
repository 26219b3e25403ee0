package status

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"

	"muster/internal/event"
)

// recordComments reads the comments of event.Record from its source, by JSON name.
func recordComments(t *testing.T) map[string]string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "../event/record.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != "Record" {
			return true
		}
		for _, field := range spec.Type.(*ast.StructType).Fields.List {
			tag := reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get("json")
			name, _, _ := strings.Cut(tag, ",")
			out[name] = strings.Join(strings.Fields(field.Doc.Text()), " ")
		}
		return false
	})
	return out
}

func TestDescriptionsAreTheCommentsOfTheRecord(t *testing.T) {
	t.Parallel()
	want := recordComments(t)
	if len(want) < 20 {
		t.Fatalf("only %d fields found in the source", len(want))
	}
	if diff := cmp.Diff(want, descriptions()); diff != "" {
		t.Errorf("comments of event.Record and descriptions differ (-source +table):\n%s", diff)
	}
}

func TestSchemaTakesWhatMusterWritesAndRefusesOtherWords(t *testing.T) {
	t.Parallel()
	var s jsonschema.Schema
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	res, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	full, err := encode(fullRecord())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		line string
		ok   bool
	}{
		{`{"state":"working"}`, true},
		{`{"state":"waiting","reason":"question","new_field":1}`, true},
		{string(full), true},
		{`{}`, false},
		{`{"state":"happy"}`, false},
		{`{"state":"waiting","reason":"fun"}`, false},
		{`{"state":"error","error":"boredom"}`, false},
		{`{"state":"working","note":7}`, false},
	} {
		var v any
		if err := json.Unmarshal([]byte(c.line), &v); err != nil {
			t.Fatal(err)
		}
		if err := res.Validate(v); (err == nil) != c.ok {
			t.Errorf("%s: valid %v, want %v (%v)", c.line, err == nil, c.ok, err)
		}
	}
	for name, p := range s.Properties {
		if p.Description == "" {
			t.Errorf("field %q has no description", name)
		}
	}
	if len(s.Properties) != reflect.TypeFor[event.Record]().NumField() {
		t.Errorf("schema has %d properties, the record %d fields", len(s.Properties), reflect.TypeFor[event.Record]().NumField())
	}
}
