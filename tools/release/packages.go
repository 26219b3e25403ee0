package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb" // registers the format
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm" // registers the format
)

const summary = "See a fleet of coding agents through the night"

// pack writes a package for a distribution of Linux.
func (r *release) pack(format string, t target, program string, common []file) error {
	contents := files.Contents{{Source: program, Destination: "/usr/bin/muster", FileInfo: &files.ContentFileInfo{Mode: 0o755, MTime: r.time}}}
	dir, err := os.MkdirTemp("", "muster-package-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for i, f := range common {
		path := fmt.Sprintf("%s/%d", dir, i)
		if err := os.WriteFile(path, f.data, 0o644); err != nil {
			return err
		}
		contents = append(contents, &files.Content{Source: path, Destination: f.path, FileInfo: &files.ContentFileInfo{Mode: 0o644, MTime: r.time}})
	}
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: "muster", Arch: t.arch, Platform: t.os, Version: r.version, VersionSchema: "semver",
		Section: "utils", Priority: "optional", Maintainer: "The muster authors <muster@localhost>", License: "Apache-2.0", MTime: r.time,
		Description: summary + "\nIt queues tasks, starts each agent in its own tmux session, runs the project's checks on what it\nproduces, hands failures back to it, and publishes what passes.",
		Overridables: nfpm.Overridables{
			Depends: []string{"tmux", "git"}, Contents: contents,
			RPM: nfpm.RPM{Summary: summary, BuildHost: "localhost"},
		},
	})
	if err := nfpm.PrepareForPackager(info, format); err != nil {
		return err
	}
	p, err := nfpm.Get(format)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := p.Package(info, &b); err != nil {
		return err
	}
	return r.write(p.ConventionalFileName(info), b.Bytes())
}

// materials writes the bill of materials of a program: the modules that its build information names.
func (r *release) materials(t target, program string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{
		Timestamp: r.time.Format(time.RFC3339),
		Component: &cdx.Component{BOMRef: "muster", Type: cdx.ComponentTypeApplication, Name: "muster", Version: r.version},
	}
	components := []cdx.Component{{
		BOMRef: "std", Type: cdx.ComponentTypeLibrary, Name: "std", Version: strings.TrimPrefix(info.GoVersion, "go"),
		PackageURL: "pkg:golang/std@" + strings.TrimPrefix(info.GoVersion, "go"),
	}}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		purl := "pkg:golang/" + m.Path + "@" + m.Version
		c := cdx.Component{BOMRef: purl, Type: cdx.ComponentTypeLibrary, Name: m.Path, Version: m.Version, PackageURL: purl}
		// A sum of Go is the SHA-256 of the list of the module's files with theirs.
		if raw, ok := strings.CutPrefix(m.Sum, "h1:"); ok {
			hash, err := base64.StdEncoding.DecodeString(raw)
			if err != nil {
				return fmt.Errorf("the sum of %s: %w", m.Path, err)
			}
			c.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(hash)}}
		}
		components = append(components, c)
	}
	slices.SortFunc(components, func(a, b cdx.Component) int { return strings.Compare(a.BOMRef, b.BOMRef) })
	bom.Components = &components
	var b bytes.Buffer
	if err := cdx.NewBOMEncoder(&b, cdx.BOMFileFormatJSON).SetPretty(true).Encode(bom); err != nil {
		return err
	}
	return r.write(fmt.Sprintf("muster_%s_%s.cdx.json", r.version, t), b.Bytes())
}

// formula writes the formula of Homebrew, which installs an archive.
func (r *release) formula(sums map[target]string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "class Muster < Formula\n  desc %q\n  homepage %q\n  version %q\n  license \"Apache-2.0\"\n  depends_on \"git\"\n  depends_on \"tmux\"\n",
		summary, r.url, r.version)
	for _, system := range []struct{ os, block string }{{"darwin", "on_macos"}, {"linux", "on_linux"}} {
		fmt.Fprintf(&b, "\n  %s do\n", system.block)
		for _, arch := range []struct{ name, block string }{{"arm64", "on_arm"}, {"amd64", "on_intel"}} {
			t := target{system.os, arch.name}
			fmt.Fprintf(&b, "    %s do\n      url %q\n      sha256 %q\n    end\n", arch.block, r.url+"/"+r.archiveName(t), sums[t])
		}
		b.WriteString("  end\n")
	}
	b.WriteString(`
  def install
    bin.install "muster"
    man1.install Dir["man/man1/*"]
    bash_completion.install "completions/muster.bash" => "muster"
    zsh_completion.install "completions/_muster"
    fish_completion.install "completions/muster.fish"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/muster version")
  end
end
`)
	return r.write("muster.rb", []byte(b.String()))
}
