package web

import (
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"strings"
	"testing"
)

var updateFlag = flag.Bool("update", false, "write the document anew")

const documentPath = "../../docs/reference/openapi.json"

func TestDocumentIsFresh(t *testing.T) {
	t.Parallel()
	want, err := json.MarshalIndent(Document(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *updateFlag {
		if err := os.WriteFile(documentPath, want, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(documentPath)
	if err != nil || string(got) != string(want) {
		t.Errorf("%s is not what the types say; run: go test -run TestDocumentIsFresh ./internal/web -update (%v)", documentPath, err)
	}
}

func TestAParameterThatIsNotOfItsTypeIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	token := r.token(true)
	wrong := map[string]string{"boolean": "yes", "integer": "-1"}
	for _, o := range operations() {
		for _, p := range o.query {
			value, typed := wrong[p.kind]
			if !typed {
				continue
			}
			path := apiPrefix + strings.Replace(o.path, "{id}", "t1", 1) + "?" + p.name + "=" + value
			if w := r.do(o.method, path, "", "Authorization", token); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), p.name+"="+value) {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		}
	}
}

func TestTheDocumentHasEveryRouteAndNoLooseEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := r.do("GET", "/api/v1/openapi.json", "", "Authorization", r.token(true))
	var d struct {
		Paths      map[string]map[string]any
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil || w.Code != 200 {
		t.Fatalf("%d %v", w.Code, err)
	}
	seen := map[string]bool{}
	for _, o := range operations() {
		op, _ := d.Paths[apiPrefix+o.path][strings.ToLower(o.method)].(map[string]any)
		id, _ := op["operationId"].(string)
		if id == "" || seen[id] {
			t.Errorf("%s %s has the name %q", o.method, o.path, id)
		}
		seen[id] = true
	}
	for _, part := range strings.Split(w.Body.String(), `"#/components/schemas/`)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		schema, _ := d.Components.Schemas[name].(map[string]any)
		if schema["properties"] == nil {
			t.Errorf("there is no schema %q", name)
		}
	}
	for name, field := range map[string]string{"store.Summary": "changed_at", "control.Shown": "next", "report.Report": "totals", "control.Told": "facts", "web.Order": "prompt"} {
		schema, _ := d.Components.Schemas[name].(map[string]any)
		properties, _ := schema["properties"].(map[string]any)
		if properties[field] == nil {
			t.Errorf("%s has no %s: %v", name, field, properties)
		}
	}
}
