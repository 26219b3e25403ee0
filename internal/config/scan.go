package config

import (
	"bytes"
	"errors"
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"muster/internal/fault"
)

// maxFile is more than any configuration needs and less than what would hurt.
const maxFile = 1 << 20

// maxKeys is more keys than any configuration has.
const maxKeys = 4000

// maxDepth is the longest path of a key that exists, and one more so that a deeper one is seen to be too deep.
const maxDepth = 5

// entry is one key of a file, in the order of the file.
type entry struct {
	path  []string
	at    position
	table bool // a table, an inline table, or an array of tables
	array bool // an array of tables
	value any  // of what is not a table
}

// position is where something stands in a file; lines and columns count from 1, columns in characters.
type position struct{ line, col int }

// scan reads a document into its entries. The error names file, line and column.
func scan(file string, data []byte) ([]entry, error) {
	if len(data) > maxFile {
		return nil, fault.New(fault.Usage, "%s: larger than 1 MiB", file).
			WithHint("This is not a configuration for muster; see `muster init`.")
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !utf8.Valid(data) {
		at := newLines(data).at(firstInvalid(data))
		return nil, fault.New(fault.Usage, "%s:%d:%d: not UTF-8", file, at.line, at.col).
			WithHint("Save the file as UTF-8.")
	}
	s := scanner{lines: newLines(data)}
	p := unstable.Parser{}
	p.Reset(data)
	for p.NextExpression() {
		// The TOML decoder takes time by the square of the keys, so they are counted before it sees them.
		if s.keys += countKeys(p.Expression()); s.keys > maxKeys {
			return nil, fault.New(fault.Usage, "%s: more than %d keys", file, maxKeys).
				WithHint("This is not a configuration for muster; see `muster init`.")
		}
		s.expression(p.Expression())
	}
	// The decoder also proves the document right, keys unique and tables whole, and places its errors.
	values := map[string]any{}
	if err := toml.Unmarshal(data, &values); err != nil {
		return nil, grammar(file, err)
	}
	for i, e := range s.entries {
		if !e.table {
			s.entries[i].value = lookup(values, e.path)
		}
	}
	return s.entries, nil
}

// countKeys counts tables and keys below a node.
func countKeys(n *unstable.Node) int {
	count := 0
	switch n.Kind {
	case unstable.Table, unstable.ArrayTable:
		return 1
	case unstable.KeyValue:
		return 1 + countKeys(n.Value())
	case unstable.InlineTable, unstable.Array:
		for it := n.Children(); it.Next(); {
			count += countKeys(it.Node())
		}
	}
	return count
}

// grammar turns an error of the TOML parser into one for people.
func grammar(file string, err error) error {
	if d, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, col := d.Position()
		return fault.New(fault.Usage, "%s:%d:%d: %s", file, line, col, strings.TrimPrefix(d.Error(), "toml: ")).
			WithHint("The file is TOML: strings are quoted, and every key and table stands once.")
	}
	return fault.New(fault.Usage, "%s: %s", file, strings.TrimPrefix(err.Error(), "toml: ")).
		WithHint("The file is TOML: strings are quoted, and every key and table stands once.")
}

func firstInvalid(data []byte) int {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(data)
}

type scanner struct {
	lines   lines
	keys    int
	table   []string
	skip    bool // below an array of tables, which no key of ours is
	entries []entry
}

func (s *scanner) expression(n *unstable.Node) {
	switch n.Kind {
	case unstable.Table, unstable.ArrayTable:
		path, at := s.key(nil, n)
		s.table, s.skip = path, n.Kind == unstable.ArrayTable
		s.entries = append(s.entries, entry{path: path, at: at, table: true, array: s.skip})
	case unstable.KeyValue:
		if !s.skip {
			s.keyValue(s.table, n)
		}
	}
}

func (s *scanner) keyValue(table []string, n *unstable.Node) {
	path, at := s.key(table, n)
	v := n.Value()
	if v.Kind != unstable.InlineTable {
		s.entries = append(s.entries, entry{path: path, at: at})
		return
	}
	s.entries = append(s.entries, entry{path: path, at: at, table: true})
	if len(path) >= maxDepth {
		return // unknown anyway, and the document may be nested ten thousand deep
	}
	for it := v.Children(); it.Next(); {
		s.keyValue(path, it.Node())
	}
}

// key is the whole path of a table or a key, and where its own part begins.
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

// lookup finds the value of a path in decoded tables; nil if a part of it is no table.
func lookup(values map[string]any, path []string) any {
	var v any = values
	for _, part := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[part]
	}
	return v
}

// lines finds line and column of an offset.
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
	const most = 4096 // a column far into one endless line is not worth counting characters for, again and again
	start := l.starts[line-1]
	col := offset - start
	if col <= most {
		col = utf8.RuneCount(l.data[start:offset])
	}
	return position{line: line, col: col + 1}
}

func (p position) in(file string) string { return fmt.Sprintf("%s:%d:%d", file, p.line, p.col) }
