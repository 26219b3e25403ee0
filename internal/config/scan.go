package config

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"muster/internal/fault"
)

// maxFile bounds a configuration file, in bytes. The TOML decoder takes time by the square of the keys.
const maxFile = 64 << 10

// lists are the arrays of tables that a file may have. A table of them is scanned with its number, from 0, as a part of
// its path.
var lists = []string{"permission"}

// maxDepth is one more than the longest path of a known key, so that a deeper key is reported as unknown.
const maxDepth = 8

// entry is one key or table of a file.
type entry struct {
	path  []string
	at    position
	table bool // a table, an inline table, or an array of tables
	array bool // an array of tables
	value any  // nil for a table
}

// position is a place in a file. Lines and columns count from 1, columns in characters.
type position struct{ line, col int }

// scan returns the entries of a document, in its order. Errors name file, line and column.
func scan(file string, data []byte) ([]entry, error) {
	if len(data) > maxFile {
		return nil, fault.New(fault.Usage, "%s: larger than 64 KiB", file).
			WithHint("This is not a configuration for muster; see `muster init`.")
	}
	// A file that was written on Windows: a carriage return in a check of several lines is an option to the shell.
	data = bytes.ReplaceAll(bytes.TrimPrefix(data, []byte("\ufeff")), []byte("\r\n"), []byte("\n"))
	if !utf8.Valid(data) {
		at := newLines(data).at(bytes.IndexRune(data, utf8.RuneError))
		return nil, fault.New(fault.Usage, "%s:%d:%d: not UTF-8", file, at.line, at.col).
			WithHint("Save the file as UTF-8.")
	}
	s := scanner{lines: newLines(data), count: map[string]int{}}
	p := unstable.Parser{}
	p.Reset(data)
	for p.NextExpression() {
		s.expression(p.Expression())
	}
	// The decoder also validates the document (unique keys, tables defined once) and returns the position of its
	// errors.
	values := map[string]any{}
	if err := toml.Unmarshal(data, &values); err != nil {
		return nil, grammar(file, err)
	}
	for i, e := range s.entries {
		if !e.table || len(e.path) >= maxDepth { // a table that deep is not scanned
			s.entries[i].value = lookup(values, e.path)
		}
	}
	return s.entries, nil
}

// grammar converts an error of the TOML decoder to a fault.Usage.
func grammar(file string, err error) error {
	if d, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, col := d.Position()
		return fault.New(fault.Usage, "%s:%d:%d: %s", file, line, col, strings.TrimPrefix(d.Error(), "toml: ")).
			WithHint("The file is TOML: strings are quoted, and every key and table stands once.")
	}
	return fault.New(fault.Usage, "%s: %s", file, strings.TrimPrefix(err.Error(), "toml: ")).
		WithHint("The file is TOML: strings are quoted, and every key and table stands once.")
}

type scanner struct {
	lines   lines
	table   []string
	skip    bool           // within an array of tables, which no known key is
	count   map[string]int // tables of each of the lists
	entries []entry
}

func (s *scanner) expression(n *unstable.Node) {
	switch n.Kind {
	case unstable.Table, unstable.ArrayTable:
		path, at := s.key(nil, n)
		array := n.Kind == unstable.ArrayTable
		if slices.Contains(lists, path[0]) {
			if !array || len(path) > 1 { // the entry is a complaint about its first part
				s.entries, s.skip = append(s.entries, entry{path: path[:1], at: at}), true
				return
			}
			path = append(path, strconv.Itoa(s.count[path[0]]))
			s.count[path[0]]++
			array = false
		}
		s.table, s.skip = path, array
		s.entries = append(s.entries, entry{path: path, at: at, table: true, array: array})
	case unstable.KeyValue:
		if !s.skip {
			s.keyValue(s.table, n)
		}
	}
}

func (s *scanner) keyValue(table []string, n *unstable.Node) {
	path, at := s.key(table, n)
	v := n.Value()
	if len(table) == 0 && slices.Contains(lists, path[0]) {
		s.entries = append(s.entries, entry{path: path[:1], at: at})
		return
	}
	if v.Kind != unstable.InlineTable {
		s.entries = append(s.entries, entry{path: path, at: at})
		return
	}
	s.entries = append(s.entries, entry{path: path, at: at, table: true})
	if len(path) >= maxDepth {
		return // it is unknown, and the document may be nested ten thousand levels deep
	}
	for it := v.Children(); it.Next(); {
		s.keyValue(path, it.Node())
	}
}

// key returns the full path of a table or key, and the position of its own part.
func (s *scanner) key(table []string, n *unstable.Node) ([]string, position) {
	path := append([]string(nil), table...)
	first := -1
	for it := n.Key(); it.Next(); {
		k := it.Node()
		if first < 0 {
			first = int(k.Raw.Offset)
		}
		path = append(path, string(k.Data))
	}
	return path, s.lines.at(first)
}

// lookup returns the value of a path in decoded tables, or nil.
func lookup(values map[string]any, path []string) any {
	var v any = values
	for _, part := range path {
		switch in := v.(type) {
		case map[string]any:
			v = in[part]
		case []any: // one of lists
			n, err := strconv.Atoi(part)
			if err != nil || n >= len(in) {
				return nil
			}
			v = in[n]
		default:
			return nil
		}
	}
	return v
}

// lines converts offsets to positions.
type lines struct {
	data   []byte
	starts []int
}

func newLines(data []byte) lines {
	l := lines{data: data, starts: []int{0}}
	for i, b := range data {
		if b == '\n' {
			l.starts = append(l.starts, i+1)
		}
	}
	return l
}

func (l lines) at(offset int) position {
	offset = max(0, min(offset, len(l.data)))
	line := sort.SearchInts(l.starts, offset+1)
	const most = 4096 // after it bytes are counted, which is cheaper for one long line of many keys
	start := l.starts[line-1]
	col := offset - start
	if col <= most {
		col = utf8.RuneCount(l.data[start:offset])
	}
	return position{line: line, col: col + 1}
}

func (p position) in(file string) string { return fmt.Sprintf("%s:%d:%d", file, p.line, p.col) }
