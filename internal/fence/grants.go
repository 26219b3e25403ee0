package fence

import (
	"path/filepath"
	"slices"
	"strings"

	"muster/internal/event"
	"muster/internal/fault"
)

// Need is what one process of a task needs besides the system: where its files are, and what its task was granted.
type Need struct {
	Fence event.Fence
	User  string   // the home directory of the user; "" if there is none
	Read  []string // what muster hands over, the agent's program, and the repository
	Write []string // the worktree, and the directories of the generation, for temporary files and for caches
}

// userRead are the files below the home directory that programs read: configuration of git and of package managers, and
// toolchains. Directories that hold secrets beside programs are named by the part that does not: ~/.cargo/bin.
var userRead = []string{
	".gitconfig", ".config/git", ".npmrc", ".config/go", ".cargo/config.toml", ".cargo/config", ".condarc", ".config/pip",
	".nvm", ".rustup", ".cargo/bin", ".cargo/env", ".pyenv", ".rbenv", ".asdf", ".volta", ".sdkman/candidates", ".bun/bin", ".deno/bin",
	".local/bin", ".local/lib", ".local/share/mise", ".local/share/uv", ".local/share/pnpm", ".local/pipx", ".local/share/pipx", ".npm-global", ".nodenv", ".fnm",
	".local/share/fnm", ".proto", "sdk", "go/bin", "miniconda3", "miniforge3", "anaconda3",
}

// userCaches are the caches that builds of the user share, for cache = "user".
var userCaches = []string{".cache", "go/pkg", ".npm", ".cargo/registry", ".cargo/git", ".gradle", ".m2/repository"}

// Grants returns the policy of a process. This is the one place that decides what is granted.
func Grants(n Need) Policy {
	p := System()
	p.Unix, p.Ports = n.Fence.Unix, n.Fence.Ports
	if n.User != "" {
		p.Read = append(p.Read, realOf(below(n.User, userRead))...)
		if n.Fence.Cache == event.CacheUser {
			p.Write = append(p.Write, realOf(below(n.User, userCaches))...)
		}
	}
	p.Read = append(p.Read, realOf(n.Read)...)
	p.Write = append(p.Write, realOf(n.Write)...)
	// These are real already. To resolve them again would follow a link that an agent has made since.
	p.Read = append(p.Read, n.Fence.Read...)
	p.Write = append(p.Write, n.Fence.Write...)
	slices.Sort(p.Read)
	slices.Sort(p.Write)
	p.Read, p.Write = slices.Compact(p.Read), slices.Compact(p.Write)
	return p
}

func below(dir string, names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = filepath.Join(dir, name)
	}
	return out
}

// Covers reports whether a policy grants reading and executing a file.
func (p Policy) Covers(path string) bool {
	return slices.ContainsFunc(slices.Concat(p.Read, p.Write), func(granted string) bool { return holds(granted, path) })
}

// holds reports whether a path is dir or below it.
func holds(dir, path string) bool {
	return dir == path || dir == "/" || strings.HasPrefix(path, dir+"/")
}

// Program returns what must be readable to execute a program: the file that its links lead to, and the packages beside it
// if it is part of a tree of npm packages.
func Program(path string) []string {
	real, exists := Real(path)
	if !exists {
		return nil
	}
	const modules = "/node_modules/"
	if at := strings.Index(real, modules); at >= 0 {
		return []string{real[:at+len(modules)-1]}
	}
	return []string{real}
}

// secrets are what must never be written, below the home directory.
var secrets = []string{".ssh", ".gnupg", ".aws", ".config/gh"}

// Keep is what no task may be granted.
type Keep struct {
	User   string   // the home directory; "" if there is none
	State  string   // the state directory
	Config string   // the user's configuration file
	Where  []string // where the keys fence.read and fence.write were set, for errors
}

// Freeze returns the real paths of what a user grants beyond the built-in list, and which of them were links. It refuses to
// grant writing where that would give away the fence, the state of the fleet, or the user's keys.
func (k Keep) Freeze(read, write []string) (realRead, realWrite, links []string, err error) {
	resolve := func(paths []string, key int, check func(path string) string) ([]string, error) {
		var out []string
		for _, path := range paths {
			real, exists := Real(path)
			if exists && real != path {
				links = append(links, path+" leads to "+real)
			}
			for _, p := range []string{path, real} {
				if why := check(p); why != "" {
					name := []string{"fence.read", "fence.write"}[key]
					return nil, fault.New(fault.Usage, "%s (%s) cannot grant %s: %s", name, k.Where[key], path, why).
						WithHint("Name the directory that the agent needs, and no more.")
				}
			}
			out = append(out, real)
		}
		return out, nil
	}
	if realRead, err = resolve(read, 0, k.refuseRead); err != nil {
		return nil, nil, nil, err
	}
	realWrite, err = resolve(write, 1, k.refuseWrite)
	return realRead, realWrite, links, err
}

// refuseRead returns why a path must not be readable; "" if it may.
func (k Keep) refuseRead(path string) string {
	if meets(path, k.State) {
		return "it holds the fleet's state, or is part of it"
	}
	return ""
}

func (k Keep) refuseWrite(path string) string {
	switch why := k.refuseRead(path); {
	case path == "/":
		return "it is everything"
	case why != "":
		return why
	case k.User != "" && holds(path, k.User):
		return "it holds your home directory"
	case k.Config != "" && meets(path, k.Config):
		return "it holds the configuration of the fence"
	}
	for _, secret := range secrets {
		if k.User != "" && meets(path, filepath.Join(k.User, secret)) {
			return "it holds ~/" + secret + ", or is part of it"
		}
	}
	return ""
}

// meets reports whether one of two paths holds the other.
func meets(a, b string) bool { return holds(a, b) || holds(b, a) }
