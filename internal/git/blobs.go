package git

import (
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"
)

const (
	// maxBlobs and maxBlob bound what Blobs reads: files, and bytes of each.
	maxBlobs = 200
	maxBlob  = 1 << 20
)

// Blobs returns the contents of the files of a revision at these paths and below them, by path. Paths that do not exist and
// files that are too large are left out. A symbolic link to a file of the tree is
// followed once, and one to a directory of the tree has "-> " and the path of the directory.
func (r *Reader) Blobs(ctx context.Context, rev string, paths ...string) (map[string][]byte, error) {
	found, links, err := r.blobs(ctx, rev, paths)
	if err != nil || len(links) == 0 {
		return found, err
	}
	for link, target := range links {
		behind, _, err := r.blobs(ctx, rev, []string{target})
		if err != nil {
			return nil, err
		}
		if content, ok := behind[target]; ok {
			found[link] = content
		} else if len(behind) > 0 { // a directory
			found[link] = []byte("-> " + target)
		}
	}
	return found, nil
}

// blobs also returns the targets of symbolic links that stay within the tree.
func (r *Reader) blobs(ctx context.Context, rev string, paths []string) (found map[string][]byte, links map[string]string, err error) {
	if err := revision(rev); err != nil {
		return nil, nil, err
	}
	args := []string{"--literal-pathspecs", "ls-tree", "-r", "-z", "-l", "--full-tree", rev, "--"}
	out, err := r.git(ctx, call{args: append(args, paths...)})
	if err != nil {
		return nil, nil, fmt.Errorf("list the files of %s: %w", rev, err)
	}
	var entries []blob
	for _, entry := range fields(out) {
		about, name, _ := strings.Cut(entry, "\t")
		f := strings.Fields(about) // mode, type, hash, size
		if len(f) != 4 || f[1] != "blob" || len(entries) == maxBlobs {
			continue
		}
		if size, err := strconv.Atoi(f[3]); err == nil && size <= maxBlob {
			entries = append(entries, blob{name: name, mode: f[0], hash: f[2], size: size})
		}
	}
	contents, err := r.contents(ctx, entries)
	if err != nil {
		return nil, nil, fmt.Errorf("read files of %s: %w", rev, err)
	}
	found, links = map[string][]byte{}, map[string]string{}
	for i, e := range entries {
		content := contents[i]
		if e.mode != modeLink {
			found[e.name] = []byte(content)
		} else if target := path.Join(path.Dir(e.name), content); !path.IsAbs(content) && !strings.HasPrefix(target, "../") {
			links[e.name] = target
		}
	}
	return found, links, nil
}

// blob is a file of a tree.
type blob struct {
	name, mode, hash string
	size             int // bytes
}

// contents returns the content of each blob. One git reads all of them.
func (r *Reader) contents(ctx context.Context, blobs []blob) ([]string, error) {
	if len(blobs) == 0 {
		return nil, nil
	}
	var hashes strings.Builder
	for _, b := range blobs {
		hashes.WriteString(b.hash + "\n")
	}
	out, err := r.git(ctx, call{args: []string{"cat-file", "--batch"}, stdin: hashes.String()})
	if err != nil {
		return nil, err
	}
	contents := make([]string, len(blobs))
	for i, b := range blobs {
		head := fmt.Sprintf("%s blob %d\n", b.hash, b.size)
		rest, ok := strings.CutPrefix(out, head)
		if !ok || len(rest) <= b.size { // a newline follows the content
			return nil, fmt.Errorf("git cat-file does not have %s", b.hash)
		}
		contents[i], out = rest[:b.size], rest[b.size+1:]
	}
	return contents, nil
}

const modeLink = "120000" // a symbolic link
