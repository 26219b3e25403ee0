// Command types checks the types of all packages and tests of the module in a directory, as another system sees them. It compiles
// nothing, so that it takes a tenth of the time of `GOOS=darwin go vet` where nothing is compiled for that system yet.
//
//	types DIR GOOS
package main

import (
	"cmp"
	"fmt"
	"os"

	"golang.org/x/tools/go/packages"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: types DIR GOOS")
		os.Exit(2)
	}
	dir, system := os.Args[1], os.Args[2]
	// Types of dependencies come from their source, because their export data would have to be compiled.
	loaded, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports | packages.NeedDeps |
			packages.NeedTypes | packages.NeedSyntax | packages.NeedTypesInfo | packages.NeedModule,
		Dir:   dir,
		Env:   append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0"),
		Tests: true,
	}, "./...")
	if err == nil && len(loaded) == 0 {
		err = fmt.Errorf("no packages in %s", dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "types:", err)
		os.Exit(1)
	}
	seen := map[string]bool{}
	packages.Visit(loaded, nil, func(p *packages.Package) {
		for _, e := range p.Errors {
			// A package and its test variant share files.
			if line := fmt.Sprintf("%s: %s", cmp.Or(e.Pos, p.PkgPath), e.Msg); !seen[line] {
				seen[line] = true
				fmt.Fprintln(os.Stderr, line)
			}
		}
	})
	if len(seen) > 0 {
		os.Exit(1)
	}
}
