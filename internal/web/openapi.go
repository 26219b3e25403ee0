package web

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"

	"muster/internal/event"
)

// Document returns the OpenAPI document of the API. It is made from the routes and from the types that they take and answer with.
func Document() map[string]any {
	m := modeller{schemas: map[string]any{}}
	paths := map[string]any{}
	problem := m.of(reflect.TypeFor[Problem]())
	for _, o := range operations() {
		at := apiPrefix + o.path
		of, _ := paths[at].(map[string]any)
		if of == nil {
			of = map[string]any{}
			paths[at] = of
		}
		var params []any
		if strings.Contains(o.path, "{id}") {
			params = append(params, map[string]any{"name": "id", "in": "path", "required": true, "description": "The id of a task, such as t12.", "schema": map[string]any{"type": "string"}})
		}
		for _, q := range o.query {
			params = append(params, map[string]any{"name": q.name, "in": "query", "description": q.about, "schema": map[string]any{"type": q.kind}})
		}
		op := map[string]any{
			"summary":     o.summary,
			"operationId": strings.ToLower(o.method) + strings.NewReplacer("tasks/{id}", "Task", "tasks", "Tasks", "/", "_").Replace(o.path),
			"responses": map[string]any{
				"200":     content("The answer.", m.of(reflect.TypeOf(o.answer))),
				"default": content("What went wrong, and what to do next.", problem),
			},
		}
		if params != nil {
			op["parameters"] = params
		}
		if o.body != nil {
			op["requestBody"] = map[string]any{"required": true, "content": map[string]any{"application/json": map[string]any{"schema": m.of(reflect.TypeOf(o.body))}}}
		}
		of[strings.ToLower(o.method)] = op
	}
	return map[string]any{
		"openapi":  "3.1.0",
		"info":     map[string]any{"title": "muster", "version": "1", "description": "The fleet of one state directory. The values are those of the verbs' --json."},
		"security": []any{map[string]any{"token": []any{}}},
		"paths":    paths,
		"components": map[string]any{
			"schemas":         m.schemas,
			"securitySchemes": map[string]any{"token": map[string]any{"type": "http", "scheme": "bearer", "description": "Made by muster web token new NAME."}},
		},
	}
}

func content(about string, schema any) map[string]any {
	return map[string]any{"description": about, "content": map[string]any{"application/json": map[string]any{"schema": schema}}}
}

// modeller makes schemas of types. Structs are named and stand once in the document.
type modeller struct{ schemas map[string]any }

// of returns the schema of a type's JSON.
func (m modeller) of(t reflect.Type) map[string]any {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[time.Duration]():
		return map[string]any{"type": "integer", "description": "nanoseconds"}
	case t == reflect.TypeFor[event.Event](): // it writes its own JSON; docs/reference/events.md describes data
		return map[string]any{"type": "object", "required": []string{"seq", "time", "kind"}, "properties": map[string]any{
			"seq": map[string]any{"type": "integer"}, "time": map[string]any{"type": "string", "format": "date-time"}, "task": map[string]any{"type": "string"},
			"kind": map[string]any{"type": "string"}, "data": map[string]any{"type": "object"},
		}}
	case t.Kind() != reflect.Pointer && (t.Implements(reflect.TypeFor[json.Marshaler]()) || reflect.PointerTo(t).Implements(reflect.TypeFor[json.Marshaler]())):
		return map[string]any{} // any value
	case t.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return map[string]any{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return map[string]any{"anyOf": []any{m.of(t.Elem()), map[string]any{"type": "null"}}}
	case reflect.Slice, reflect.Array:
		return map[string]any{"type": "array", "items": m.of(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": m.of(t.Elem())}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Struct:
		return m.named(t)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return map[string]any{"type": "integer"}
	default:
		return map[string]any{}
	}
}

// named returns a reference to the schema of a struct.
func (m modeller) named(t reflect.Type) map[string]any {
	name := t.Name()
	if name == "" { // it stands in one place only
		return m.object(t)
	}
	pkg := t.PkgPath()[strings.LastIndexByte(t.PkgPath(), '/')+1:]
	name = pkg + "." + name
	if _, known := m.schemas[name]; !known {
		m.schemas[name] = map[string]any{} // a type may hold itself
		m.schemas[name] = m.object(t)
	}
	return map[string]any{"$ref": "#/components/schemas/" + name}
}

// object returns the schema of a struct. The fields of an embedded one are its own, and its own precede them.
func (m modeller) object(t reflect.Type) map[string]any {
	properties, required := map[string]any{}, []string{}
	m.fields(t, properties, &required)
	out := map[string]any{"type": "object", "properties": properties}
	if len(required) > 0 {
		slices.Sort(required)
		out["required"] = required
	}
	return out
}

func (m modeller) fields(t reflect.Type, properties map[string]any, required *[]string) {
	var inner []reflect.Type
	for f := range t.Fields() {
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && tag == "":
			if f.Type.Kind() == reflect.Pointer {
				inner = append(inner, f.Type.Elem())
			} else {
				inner = append(inner, f.Type)
			}
			continue
		case !f.IsExported() || tag == "-":
			continue
		case tag == "":
			tag = f.Name
		}
		if _, has := properties[tag]; has {
			continue
		}
		properties[tag] = m.of(f.Type)
		if !strings.Contains(options, "omit") {
			*required = append(*required, tag)
		}
	}
	for _, t := range inner {
		m.fields(t, properties, required)
	}
}
