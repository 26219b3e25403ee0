package price

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The table is written by this test from a catalog of models: the api.json of models.dev, LiteLLM's
// model_prices_and_context_window.json, or a directory with a file for each provider as the npm package
// @earendil-works/pi-ai has it, which is made from models.dev.
var (
	catalog = flag.String("catalog", "", "write prices.tsv from this file or directory")
	source  = flag.String("source", "", "the name of the catalog, for the table")
	date    = flag.String("date", "", "the day on which the catalog was made, as YYYY-MM-DD (default: as it says itself)")
)

// TestTheTableIsAsItIsWritten compares the file with what its own rows are written as; with -catalog it writes it first.
func TestTheTableIsAsItIsWritten(t *testing.T) {
	t.Parallel()
	const path = "prices.tsv"
	if *catalog != "" {
		rows, made, err := readCatalog(*catalog)
		if err != nil {
			t.Fatal(err)
		}
		if *date != "" {
			made = *date
		}
		text, err := render(rows, made, *source)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil { //nolint:gosec // a file of the repository
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	table, last := map[string]catalogRow{}, Row{}
	for line := range strings.Lines(string(got)) {
		if row, ok := parseRow(strings.TrimSuffix(line, "\n")); ok {
			table[row.Model], last = catalogRow{row.Model, row.Input, row.Output, row.CacheRead, row.CacheWrite}, row
		}
	}
	want, err := render(table, last.Date, last.Source)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Errorf("it was edited; run make prices (-want +got):\n%s", d)
	}
}

// providers are those whose own models are in the table. A model that several of them offer has the price of the first.
var providers = []string{"anthropic", "openai", "google", "deepseek", "xai", "moonshotai", "zai"}

// catalogRow is a line of the table; prices are in USD per million tokens.
type catalogRow struct {
	model                                string
	input, output, cacheRead, cacheWrite float64
}

// render returns the file of a table.
func render(table map[string]catalogRow, date, source string) (string, error) {
	if _, err := time.Parse(time.DateOnly, date); err != nil {
		return "", fmt.Errorf("the catalog does not say when it was made: give -date YYYY-MM-DD")
	}
	if source == "" {
		return "", fmt.Errorf("give -source, the name of the catalog")
	}
	if len(table) == 0 {
		return "", fmt.Errorf("the catalog has no prices of %s", strings.Join(providers, ", "))
	}
	var b strings.Builder
	b.WriteString("# List prices of models, in USD per million tokens. Written by make prices; do not edit.\n")
	b.WriteString("# model\tinput\toutput\tcache_read\tcache_write\tdate\tsource\n")
	for _, name := range slices.Sorted(maps.Keys(table)) {
		r := table[name]
		b.WriteString(name)
		for _, usd := range []float64{r.input, r.output, r.cacheRead, r.cacheWrite} {
			b.WriteString("\t" + strconv.FormatFloat(usd, 'f', -1, 64))
		}
		fmt.Fprintf(&b, "\t%s\t%s\n", date, source)
	}
	return b.String(), nil
}

// readCatalog returns the table of a catalog, by model, and the day on which it was made.
func readCatalog(path string) (table map[string]catalogRow, date string, err error) {
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, "", err
	case st.IsDir():
		return readDir(path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, "", err
	}
	table, err = readFile(data)
	return table, st.ModTime().UTC().Format(time.DateOnly), err
}

// readDir reads a directory with PROVIDER.json, each {API: {KEY: model}}.
func readDir(dir string) (table map[string]catalogRow, date string, err error) {
	table = map[string]catalogRow{}
	for _, provider := range providers {
		data, err := os.ReadFile(filepath.Join(dir, provider+".json"))
		if err != nil {
			return nil, "", err
		}
		var apis map[string]map[string]struct {
			ID   string `json:"id"`
			Type string `json:"type"`
			Cost struct{ Input, Output, CacheRead, CacheWrite float64 }
		}
		if err := json.Unmarshal(data, &apis); err != nil {
			return nil, "", fmt.Errorf("%s: %w", provider, err)
		}
		for _, models := range apis {
			for _, m := range models {
				if m.Type == "chat" {
					add(table, catalogRow{m.ID, m.Cost.Input, m.Cost.Output, m.Cost.CacheRead, m.Cost.CacheWrite})
				}
			}
		}
	}
	var manifest struct {
		GeneratedAt time.Time `json:"generatedAt"`
	}
	if data, err := os.ReadFile(filepath.Join(dir, ".manifest.json")); err == nil && json.Unmarshal(data, &manifest) == nil {
		date = manifest.GeneratedAt.Format(time.DateOnly)
	}
	return table, date, nil
}

// readFile reads the catalog of models.dev, {PROVIDER: {models: {ID: model}}}, or LiteLLM's, {ID: model}.
func readFile(data []byte) (map[string]catalogRow, error) {
	var entries map[string]json.RawMessage
	if err := json.Unmarshal(data, &entries); err != nil {
		return nil, err
	}
	table := map[string]catalogRow{}
	for _, provider := range providers {
		var p struct {
			Models map[string]struct {
				Cost struct {
					Input      float64 `json:"input"`
					Output     float64 `json:"output"`
					CacheRead  float64 `json:"cache_read"`
					CacheWrite float64 `json:"cache_write"`
				} `json:"cost"`
			} `json:"models"`
		}
		if json.Unmarshal(entries[provider], &p) == nil {
			for id, m := range p.Models {
				add(table, catalogRow{id, m.Cost.Input, m.Cost.Output, m.Cost.CacheRead, m.Cost.CacheWrite})
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(entries)) {
		var m struct {
			Provider   string  `json:"litellm_provider"`
			Mode       string  `json:"mode"`
			Input      float64 `json:"input_cost_per_token"`
			Output     float64 `json:"output_cost_per_token"`
			CacheRead  float64 `json:"cache_read_input_token_cost"`
			CacheWrite float64 `json:"cache_creation_input_token_cost"`
		}
		if json.Unmarshal(entries[id], &m) == nil && slices.Contains(providers, m.Provider) && (m.Mode == "chat" || m.Mode == "responses") {
			id = id[strings.LastIndexByte(id, '/')+1:]
			add(table, catalogRow{id, perMillion(m.Input), perMillion(m.Output), perMillion(m.CacheRead), perMillion(m.CacheWrite)})
		}
	}
	return table, nil
}

// perMillion returns the price of a million tokens, without the error of the multiplication.
func perMillion(perToken float64) float64 {
	usd, _ := strconv.ParseFloat(strconv.FormatFloat(perToken*1e6, 'g', 9, 64), 64)
	return usd
}

// add adds a model. One without a price for input and output is left out: whether it is free is not known. Where a cache
// has no price of its own, its tokens cost as much as other input.
func add(table map[string]catalogRow, r catalogRow) {
	r.model = strings.ToLower(r.model)
	if _, known := table[r.model]; known || r.input <= 0 || r.output <= 0 || strings.ContainsAny(r.model, "\t\n #") {
		return
	}
	if r.cacheRead <= 0 {
		r.cacheRead = r.input
	}
	if r.cacheWrite <= 0 {
		r.cacheWrite = r.input
	}
	table[r.model] = r
}

const twoModels = `# List prices of models, in USD per million tokens. Written by make prices; do not edit.
# model	input	output	cache_read	cache_write	date	source
gpt-x	1.25	10	0.125	1.25	2026-11-10	here
opus-x	5	25	0.5	6.25	2026-11-10	here
`

// TestCatalog_HasOneOfThreeForms: each of them yields the same table; free and unknown models are left out.
func TestCatalog_HasOneOfThreeForms(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"models.dev/api.json": `{"anthropic":{"id":"anthropic","models":{"opus-x":{"cost":{"input":5,"output":25,"cache_read":0.5,"cache_write":6.25}}}},
			"openai":{"models":{"GPT-x":{"cost":{"input":1.25,"output":10,"cache_read":0.125}},"free":{"cost":{"input":0,"output":0}},"none":{}}},
			"reseller":{"models":{"other":{"cost":{"input":9,"output":9}}}}}`,
		"litellm/prices.json": `{"sample_spec":{"mode":"one of …","input_cost_per_token":0},
			"opus-x":{"litellm_provider":"anthropic","mode":"chat","input_cost_per_token":5e-06,"output_cost_per_token":2.5e-05,"cache_read_input_token_cost":5e-07,"cache_creation_input_token_cost":6.25e-06},
			"openai/gpt-x":{"litellm_provider":"openai","mode":"responses","input_cost_per_token":1.25e-06,"output_cost_per_token":1e-05,"cache_read_input_token_cost":1.25e-07},
			"other":{"litellm_provider":"reseller","mode":"chat","input_cost_per_token":1,"output_cost_per_token":1}}`,
		"pi/anthropic.json": `{"messages":{"chat:opus-x":{"id":"opus-x","type":"chat","input":["text"],"cost":{"input":5,"output":25,"cacheRead":0.5,"cacheWrite":6.25}}}}`,
		"pi/openai.json":    `{"responses":{"chat:gpt-x":{"id":"gpt-x","type":"chat","cost":{"input":1.25,"output":10,"cacheRead":0.125,"cacheWrite":0}},"classifier:gpt-x":{"id":"gpt-x","type":"classifier","cost":{"input":3,"output":3}}}}`,
		"pi/google.json":    `{}`, "pi/deepseek.json": `{}`, "pi/xai.json": `{}`, "pi/moonshotai.json": `{}`, "pi/zai.json": `{}`,
		"pi/.manifest.json": `{"generatedAt":"2026-11-10T12:05:37.628Z"}`,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"models.dev/api.json", "litellm/prices.json", "pi"} {
		rows, date, err := readCatalog(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		if path == "pi" && date != "2026-11-10" {
			t.Errorf("%s: of %s", path, date)
		}
		got, err := render(rows, "2026-11-10", "here")
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(twoModels, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", path, d)
		}
	}
	if _, err := render(nil, "2026-11-10", "here"); err == nil {
		t.Error("an empty table is written")
	}
	if _, err := render(map[string]catalogRow{"a": {}}, "", "here"); err == nil {
		t.Error("a table without a date is written")
	}
}
