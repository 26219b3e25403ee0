package internal_test

import (
	"fmt"
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"muster/internal/event"
)

// names are what the program declares: "Symbol", "Type.Method", "package.Symbol", "package.Type.Method" and, for a field
// or the method of an interface, "Type.Name".
func names(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, s := range sources(t) {
		declare := func(parts ...string) {
			name := strings.Join(parts, ".")
			all[name], all[s.file.Name.Name+"."+name] = true, true
		}
		for _, d := range s.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					declare(d.Name.Name)
				} else {
					declare(receiver(d.Recv.List[0].Type), d.Name.Name)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch spec := spec.(type) {
					case *ast.ValueSpec:
						for _, n := range spec.Names {
							declare(n.Name)
						}
					case *ast.TypeSpec:
						declare(spec.Name.Name)
						for _, f := range fields(spec.Type) {
							for _, n := range f.Names {
								declare(spec.Name.Name, n.Name)
							}
						}
					}
				}
			}
		}
	}
	return all
}

func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

func fields(e ast.Expr) []*ast.Field {
	switch e := e.(type) {
	case *ast.StructType:
		return e.Fields.List
	case *ast.InterfaceType:
		return e.Methods.List
	}
	return nil
}

var (
	quoted  = regexp.MustCompile("`([^`]+)`")
	dotted  = regexp.MustCompile(`^[A-Za-z]\w*(\.[A-Za-z]\w*)+$`)
	aFile   = regexp.MustCompile(`^[\w/]+\.(go|md)$`)
	aSymbol = regexp.MustCompile(`^[A-Z]\w*$`)
)

// TestArchitectureNamesWhatExists checks each file and symbol that docs/ARCHITECTURE.md names. A name in the last column
// of the table of packages is a symbol or a file of its package.
func TestArchitectureNamesWhatExists(t *testing.T) {
	t.Parallel()
	data := architecture(t)
	known := names(t)
	found := 0
	for line := range strings.Lines(data) {
		pkg := ""
		if cells := strings.Split(line, "|"); len(cells) == 5 {
			if m := quoted.FindStringSubmatch(cells[1]); m != nil {
				pkg = m[1]
				line = cells[3]
			}
		}
		for _, m := range quoted.FindAllStringSubmatch(line, -1) {
			word := m[1]
			found++
			switch {
			case aFile.MatchString(word):
				if !isFile(pkg, word) {
					t.Errorf("docs/ARCHITECTURE.md names the file %s, which does not exist", word)
				}
			case slices.Contains(event.Kinds(), event.Kind(word)):
			case pkg != "" && !known[word] && !known[pkg+"."+word], pkg == "" && (dotted.MatchString(word) || aSymbol.MatchString(word)) && !known[word]:
				t.Errorf("docs/ARCHITECTURE.md names %s, which no package declares", word)
			}
		}
	}
	if found < 80 {
		t.Errorf("only %d names found in docs/ARCHITECTURE.md", found)
	}
}

// TestArchitectureListsPackagesFromTheGroundUp checks that the table of packages has the order of floors.
func TestArchitectureListsPackagesFromTheGroundUp(t *testing.T) {
	t.Parallel()
	last, rows := -1, 0
	for line := range strings.Lines(architecture(t)) {
		m := regexp.MustCompile("^\\| `(\\w+)`").FindStringSubmatch(line)
		if m == nil {
			continue
		}
		rows++
		at := slices.Index(floors, m[1])
		if at < last {
			t.Errorf("docs/ARCHITECTURE.md lists %s below %s, which stands above it in the house", m[1], floors[last])
		}
		last = max(last, at)
	}
	if rows < 25 {
		t.Errorf("only %d packages found in docs/ARCHITECTURE.md", rows)
	}
}

func architecture(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "docs", "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// isFile reports whether a file that the page names exists: below internal, or in the package of its row.
func isFile(pkg, name string) bool {
	for _, dir := range []string{".", "..", pkg, strings.Split(pkg, ",")[0], "bench", filepath.Join("..", "docs")} {
		if st, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name))); err == nil && st.Mode().IsRegular() {
			return true
		}
	}
	return false
}

// TestEachDecisionHasANumberOfItsOwn checks that the files of decisions are numbered without a gap, and that each page's heading has
// the number of its file.
func TestEachDecisionHasANumberOfItsOwn(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../docs/decisions/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal(pages, err)
	}
	for i, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if n := i + 1; !strings.HasPrefix(filepath.Base(page), fmt.Sprintf("%04d-", n)) || !strings.HasPrefix(string(text), fmt.Sprintf("# %d. ", n)) {
			t.Errorf("%s is page %d, and its name and its heading must say so", page, n)
		}
	}
}
