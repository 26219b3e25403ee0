package git

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// filterNames returns the names of the filters that settings define.
func filterNames(settings []setting) []string {
	var names []string
	for _, s := range settings {
		section, sub, name := s.name()
		if section == "filter" && s.hasSub() && (name == "clean" || name == "smudge" || name == "process") && !slices.Contains(names, sub) {
			names = append(names, sub)
		}
	}
	return names
}

// whole completes the filters of a repository, so that git stops where one fails: without required it would go on with
// the content as it is.
func whole(settings []setting) []setting {
	for _, filter := range filterNames(settings) {
		has := func(name string) bool {
			return slices.ContainsFunc(settings, func(s setting) bool { return s.Key == "filter."+filter+"."+name })
		}
		for _, way := range []string{"clean", "smudge"} {
			if !has(way) && !has("process") {
				pass := "cat"
				settings = append(settings, setting{Key: "filter." + filter + "." + way, Value: &pass})
			}
		}
		required := "true"
		settings = append(settings, setting{Key: "filter." + filter + ".required", Value: &required})
	}
	return settings
}

// changedProgram returns the first key whose values differ; "" if there is none. A new remote may be added.
func changedProgram(known, now []setting) string {
	values := func(all []setting, key string) []setting {
		return slices.DeleteFunc(slices.Clone(all), func(s setting) bool { return s.Key != key })
	}
	for _, s := range slices.Concat(known, now) {
		before, after := values(known, s.Key), values(now, s.Key)
		if section, _, name := s.name(); section == "remote" && len(before) == 0 && (name == "url" || name == "pushurl") {
			continue
		}
		if !slices.EqualFunc(before, after, setting.same) {
			return s.Key
		}
	}
	return ""
}

// filteredLines returns the lines of the .gitattributes files of the checkout's commit that assign filters, as lines of
// info/attributes. It returns "" if the repository has no filter of its own.
func (r *Reader) filteredLines(ctx context.Context, programs []setting) (string, error) {
	if len(filterNames(programs)) == 0 {
		return "", nil
	}
	c, err := r.inspect(ctx, r.Root)
	if err != nil || c.head == "" {
		return "", err
	}
	out, err := r.git(ctx, call{args: []string{"ls-tree", "-r", "-z", "--name-only", "--full-tree", c.head}, long: true})
	if err != nil {
		return "", err
	}
	names := slices.DeleteFunc(fields(out), func(name string) bool { return path.Base(name) != ".gitattributes" })
	if len(names) == 0 {
		return "", nil
	}
	files, err := r.Blobs(ctx, c.head, names...)
	if err != nil {
		return "", err
	}
	slices.SortFunc(names, func(a, b string) int { // a file further down has the last word
		return strings.Count(a, "/") - strings.Count(b, "/")
	})
	var b strings.Builder
	macros := map[string]string{}
	for _, name := range names {
		dir := strings.TrimSuffix(strings.TrimSuffix(name, ".gitattributes"), "/")
		for line := range strings.Lines(string(files[name])) {
			b.WriteString(filterLine(dir, strings.TrimSpace(line), macros))
		}
	}
	return b.String(), nil
}

// filterLine returns a line of a .gitattributes file as a line of info/attributes that has only its filter; "" if it
// does not mention one. macros holds what the macros defined so far say about filters.
func filterLine(dir, line string, macros map[string]string) string {
	if line == "" || line[0] == '#' {
		return ""
	}
	pattern, rest := line, ""
	if i := strings.IndexAny(line, " \t"); i >= 0 {
		pattern, rest = line[:i], line[i:]
	}
	if line[0] == '"' {
		end := 1
		for end < len(line) && line[end] != '"' {
			if line[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(line) {
			return ""
		}
		pattern, rest = line[1:end], line[end+1:]
	} else {
		pattern = escapeQuoted.Replace(pattern)
	}
	said := ""
	for _, word := range strings.Fields(rest) {
		bare := strings.TrimLeft(word, "-!")
		switch macro, known := macros[bare]; {
		case bare == "filter" || strings.HasPrefix(word, "filter="):
			said = word
		case known && bare == word:
			said = macro
		case known:
			said = "!filter"
		}
	}
	if said == "" {
		return ""
	}
	if macro, ok := strings.CutPrefix(pattern, "[attr]"); ok {
		macros[macro] = said
		return ""
	}
	if dir != "" {
		if strings.Contains(strings.TrimSuffix(pattern, "/"), "/") {
			pattern = strings.TrimPrefix(pattern, "/")
		} else {
			pattern = "**/" + pattern
		}
		pattern = escapeQuoted.Replace(escapeGlob(dir)) + "/" + pattern
	}
	return `"` + pattern + `" ` + said + "\n"
}

// filterAgain adds the files once more that a filter of the repository applies to. git add goes by the index and passes
// over a file that the agent added without the filter.
func (s *scanned) filterAgain(ctx context.Context) error {
	filters := s.r.frozenFilters()
	if filters == nil {
		return nil
	}
	named, err := s.filteredBy(ctx, filters)
	if err != nil {
		return err
	}
	var paths []string
	for _, name := range named {
		if st, err := os.Lstat(filepath.Join(s.at.workTree, name)); err == nil && st.Mode().IsRegular() {
			paths = append(paths, ":(top,literal)"+name)
		}
	}
	if paths == nil {
		return nil
	}
	_, err = s.git(ctx, paths, "add", "--renormalize", "--pathspec-from-file=-", "--pathspec-file-nul")
	return err
}

// filteredBy returns the files of the index that one of the filters applies to.
func (s *scanned) filteredBy(ctx context.Context, filters []string) ([]string, error) {
	args, plain := []string{"ls-files", "-z", "-c", "--"}, true
	for _, filter := range filters {
		plain = plain && filter != "" && strings.Trim(filter, attributeLetters) == ""
		args = append(args, ":(top,attr:filter="+filter+")")
	}
	if plain {
		out, err := s.git(ctx, nil, args...)
		return fields(out), err
	}
	out, err := s.git(ctx, nil, args[:3]...) // git takes no other letters in a pattern
	if err != nil || out == "" {
		return nil, err
	}
	attributes, err := s.git(ctx, fields(out), "check-attr", "-z", "--stdin", "filter")
	if err != nil {
		return nil, err
	}
	var named []string
	for parts := fields(attributes); len(parts) >= 3; parts = parts[3:] {
		if slices.Contains(filters, parts[2]) {
			named = append(named, parts[0])
		}
	}
	return named, nil
}

// plainObstacles returns the files in the agent's own commits that a filter of the repository was not applied to. muster's
// commit is made with the filter, but the agent's history goes with it.
func (r *Reader) plainObstacles(ctx context.Context, s *scanned, from string) (Obstacles, error) {
	filters := r.frozenFilters()
	if filters == nil || s.head == "" {
		return nil, nil
	}
	out, err := r.git(ctx, call{long: true, args: []string{
		"log", "-z", "--raw", "--root", "-m", "--no-renames", "--no-abbrev", "--no-show-signature", "--format=", s.head, "^" + from, "--",
	}})
	if err != nil {
		return nil, err
	}
	blobs, paths := map[string]string{}, []string(nil) // the blobs that a path had
	about := ""
	for _, part := range fields(out) {
		switch f := strings.Fields(about); {
		case about == "":
			about = strings.TrimLeft(part, ":\n")
			continue
		case len(f) == 5 && strings.HasPrefix(f[1], "100"):
			blobs[part] += f[3] + " "
			paths = append(paths, part)
		}
		about = ""
	}
	if paths == nil {
		return nil, nil
	}
	attributes, err := s.git(ctx, paths, "check-attr", "-z", "--stdin", "filter")
	if err != nil {
		return nil, err
	}
	var plain []string
	for parts := fields(attributes); len(parts) >= 3; parts = parts[3:] {
		name := parts[0]
		if !slices.Contains(filters, parts[2]) || slices.Contains(plain, name) {
			continue
		}
		for _, blob := range strings.Fields(blobs[name]) {
			ok, err := s.isFiltered(ctx, name, blob)
			if err != nil {
				return nil, err
			}
			if !ok {
				plain = append(plain, name)
				break
			}
		}
	}
	if plain == nil {
		return nil, nil
	}
	return Obstacles{{
		What: "Commits of the branch hold files as they are that the repository's filter must be applied to: " + some(plain) + ".",
		Fix:  fmt.Sprintf("Take them out of the history with `git reset --soft %.10s`, and leave these files uncommitted: they are committed with the filter then.", from),
	}}, nil
}

// isFiltered reports whether a blob is what its filter makes of the content behind it.
func (s *scanned) isFiltered(ctx context.Context, name, blob string) (bool, error) {
	content, err := s.git(ctx, nil, "cat-file", "--filters", "--path="+name, blob)
	if err != nil {
		return false, err
	}
	again, err := s.r.line(ctx, call{in: &s.at, env: s.env, stdin: content, long: true, args: []string{"hash-object", "--path=" + name, "--stdin"}})
	return again == blob, err
}

// attributeLetters are the characters that a value in a pathspec may have.
const attributeLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

// frozenFilters returns the names of the repository's own filters.
func (r *Reader) frozenFilters() []string {
	_, f := r.view.settings()
	return filterNames(f.Programs)
}
