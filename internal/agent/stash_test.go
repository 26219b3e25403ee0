package agent

import "testing"

func TestChangesStash(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]bool{
		"git stash": true,
		"git stash && go test ./... ; git stash pop":     true,
		"go test ./...\ngit stash pop":                   true,
		"git -C sub -c a.b=c stash -u":                   true,
		"X=1 git stash save 'wip'":                       true,
		"if ! git diff --quiet; then git stash; fi":      true,
		"(cd sub; /usr/bin/git --no-pager stash drop)":   true,
		"echo \"$(git stash pop)\"":                      true,
		"echo \"`git stash pop` git stash\"":             true,
		"echo \"$(date) git stash\"; (true) ":            false,
		"sh -c 'git stash pop'":                          true,
		"bash -lc \"cd x && git stash\"":                 true,
		"git \\\n  stash apply":                          true,
		"git stash clear # all of it":                    true,
		"git stash branch b":                             true,
		"eval git stash":                                 true,
		"git stash list":                                 false,
		"git stash show -p stash@{1}":                    false,
		"git stash create":                               false,
		"git status":                                     false,
		"git log stash":                                  false,
		"git commit -m 'do not git stash'":               false,
		"grep -rn \"git stash\" docs; echo git stash":    false,
		"# git stash":                                    false,
		"cat > a.md <<'EOF'\ngit stash\nEOF\ngit status": false,
		"cat <<EOF\nx\nEOF\ngit stash":                   true,
		"cat <<< x; git stash":                           true,
		"":                                               false,
		"git":                                            false,
		"'":                                              false,
		"a \\":                                           false,
		"<<":                                             false,
		"$(":                                             false,
	} {
		if got := ChangesStash(command); got != want {
			t.Errorf("ChangesStash(%q) = %v, want %v", command, got, want)
		}
	}
}

func FuzzChangesStash(f *testing.F) {
	f.Add("cat <<-EOF && git stash\n'\"`$(")
	f.Fuzz(func(_ *testing.T, command string) { ChangesStash(command) })
}
