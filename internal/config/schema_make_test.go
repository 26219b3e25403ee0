package config

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// makeSchema makes what Schema returns from the table of keys.
func makeSchema() ([]byte, error) {
	root := &jsonschema.Schema{
		Schema: "https://json-schema.org/draft/2020-12/schema", Title: "muster configuration",
		Type: "object", Properties: map[string]*jsonschema.Schema{}, AdditionalProperties: never(),
	}
	for _, s := range tables() {
		at := object(root, s.name)
		at.Description = s.doc
	}
	for _, k := range keys() {
		parts := strings.Split(k.path, ".")
		at := root
		for _, part := range parts[:len(parts)-1] {
			at = object(at, part)
		}
		last := parts[len(parts)-1]
		switch last {
		case "NAME": // the short form of a check; object adds its table
			at.AdditionalProperties = &jsonschema.Schema{AnyOf: []*jsonschema.Schema{k.schema(), table()}}
			at.PropertyNames = &jsonschema.Schema{Pattern: namePattern}
		case "VAR":
			at.AdditionalProperties = k.schema()
		default:
			at.Properties[last] = k.schema()
			at.PropertyOrder = append(at.PropertyOrder, last)
		}
	}
	root.Properties["prices"].PropertyNames = &jsonschema.Schema{Pattern: pricePattern}
	root.PropertyOrder = nil
	data, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write schema: %w", err)
	}
	return append(data, '\n'), nil
}

const (
	namePattern     = `^[A-Za-z0-9_.][A-Za-z0-9_.-]{0,63}$`
	durationPattern = `^([0-9]+d)?([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))*$`
	pricePattern    = `^[A-Za-z0-9_.*/:@+\[\]-]{1,100}$`
	sizePattern     = `^[0-9]+ ?([KMGT](iB|B)?|B)?$`
)

func never() *jsonschema.Schema { return &jsonschema.Schema{Not: &jsonschema.Schema{}} }

func table() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "object", Properties: map[string]*jsonschema.Schema{}, AdditionalProperties: never()}
}

// object returns the schema of the table called part below at, creating it if necessary.
func object(at *jsonschema.Schema, part string) *jsonschema.Schema {
	if part == "N" { // a list of tables
		if at.Items == nil {
			*at = jsonschema.Schema{Type: "array", Items: table(), Description: at.Description}
		}
		return at.Items
	}
	if part != "NAME" {
		if at.Properties[part] == nil {
			at.Properties[part] = table()
		}
		return at.Properties[part]
	}
	if at.AdditionalProperties == nil || at.AdditionalProperties.Not != nil {
		at.AdditionalProperties = table()
		at.PropertyNames = &jsonschema.Schema{Pattern: namePattern}
	}
	if either := at.AdditionalProperties.AnyOf; either != nil {
		return either[len(either)-1]
	}
	return at.AdditionalProperties
}

func (k *key) schema() *jsonschema.Schema {
	s := &jsonschema.Schema{Description: k.doc}
	if json.Valid([]byte(k.def)) {
		s.Default = json.RawMessage(k.def)
	}
	text := func(pattern string) *jsonschema.Schema { return &jsonschema.Schema{Type: "string", Pattern: pattern} }
	switch k.kind {
	case kindCount:
		least, most := float64(k.min), float64(k.max)
		s.Type, s.Minimum, s.Maximum = "integer", &least, &most
	case kindAmount, kindShare, kindTokens:
		zero, one := 0.0, 1.0
		s.Type, s.Minimum = "number", &zero
		if k.kind == kindShare {
			s.Maximum = &one
		}
		if k.kind == kindTokens {
			s.Type = "integer"
		}
	case kindWord:
		for _, w := range k.words {
			s.Enum = append(s.Enum, w)
		}
	case kindDuration:
		s.Type, s.Pattern = "string", durationPattern
	case kindSize:
		zero := 0.0
		s.AnyOf = []*jsonschema.Schema{text(sizePattern), {Type: "integer", Minimum: &zero}}
	case kindPorts:
		least, most := 1.0, 65535.0
		s.AnyOf = []*jsonschema.Schema{{Enum: []any{anyPort}}, {Type: "array", Items: &jsonschema.Schema{Type: "integer", Minimum: &least, Maximum: &most}}}
	case kindMeaning:
		s.AnyOf = []*jsonschema.Schema{{Type: "string"}, {Type: "object"}, {Type: "array"}}
	case kindPointers:
		s.AnyOf = []*jsonschema.Schema{text("^/"), {Type: "array", Items: text("^/")}}
	case kindBool:
		s.Type = "boolean"
	case kindFiles:
		s.Type, s.Items = "array", text("^(/|~$|~/)")
	case kindList, kindPaths, kindGlobs, kindNames:
		s.Type, s.Items = "array", text("")
	case kindSpans:
		s.Type, s.Items = "array", text("^[0-9]{1,2}:[0-9]{2} ?- ?[0-9]{1,2}:[0-9]{2}$")
	case kindArgv:
		one := 1
		s.Type, s.Items, s.MinItems = "array", text(""), &one
	case kindEdit:
		edit := &jsonschema.Schema{Enum: []any{onEdit}}
		s.AnyOf = []*jsonschema.Schema{edit, {Type: "array", Items: edit}}
	case kindName:
		s.Type, s.Pattern = "string", namePattern
	case kindScript:
		s.Type, s.Pattern = "string", `\S`
	case kindText, kindEnv, kindEnvPath, kindFile:
		s.Type = "string"
	case kindClock:
		s.Type, s.Pattern = "string", "^[0-9]{1,2}:[0-9]{2}$"
	case kindVariable:
		s.Type, s.Pattern = "string", "^[A-Za-z_][A-Za-z0-9_]*$"
	}
	return s
}
