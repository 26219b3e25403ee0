package cli

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// manName returns the name of a verb's manual page, such as "muster-config-check".
func manName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// manPage returns the manual page of a verb in the language of man(7), made from what its help says. The libraries that do
// this go through Markdown, and would cost at each start of the program.
func manPage(c *cobra.Command, version string) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %s 1 \"\" %s %s\n", roffWord(strings.ToUpper(manName(c))), roffWord("muster "+version), roffWord("Muster"))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(manName(c)), roff(lowerFirst(c.Short)))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n", roff(c.UseLine()))
	b.WriteString(".SH DESCRIPTION\n" + roffText(cmp.Or(c.Long, c.Short+".")))
	if all := listed(c); len(all) > 0 {
		b.WriteString(".SH VERBS\n")
		for _, sub := range all {
			fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(strings.TrimPrefix(sub.CommandPath(), c.CommandPath()+" ")), roff(sub.Short))
		}
	}
	if c.HasParent() && c.HasAvailableLocalFlags() {
		b.WriteString(".SH OPTIONS\n")
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				b.WriteString(roffFlag(f))
			}
		})
	}
	b.WriteString(".SH EXIT STATUS\n")
	for line := range strings.SplitSeq(exitCodes(c), "\n") {
		code, meaning, _ := strings.Cut(line, " ")
		fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(code), roff(meaning))
	}
	b.WriteString(".SH SEE ALSO\n")
	if c.HasParent() {
		fmt.Fprintf(&b, ".BR %s (1)\n", roff(manName(c.Parent())))
	} else {
		b.WriteString(".BR tmux (1),\n.BR git (1)\n")
	}
	return b.String()
}

// roffFlag returns the entry of a flag.
func roffFlag(f *pflag.Flag) string {
	name, usage := pflag.UnquoteUsage(f)
	flag := "--" + f.Name
	if f.Shorthand != "" {
		flag = "-" + f.Shorthand + ", " + flag
	}
	if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" && f.DefValue != "[]" && f.DefValue != "0s" {
		usage += fmt.Sprintf(" (default %s)", f.DefValue)
	}
	return fmt.Sprintf(".TP\n\\fB%s\\fR \\fI%s\\fR\n%s\n", roff(flag), roff(name), roff(usage))
}

// roffText returns paragraphs as paragraphs, and indented lines, such as examples, as they are.
func roffText(text string) string {
	var b strings.Builder
	verbatim := false
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		if indented := strings.HasPrefix(line, " "); indented != verbatim && line != "" {
			b.WriteString(map[bool]string{true: ".nf\n", false: ".fi\n"}[indented])
			verbatim = indented
		}
		if line == "" {
			b.WriteString(".PP\n")
			continue
		}
		b.WriteString(roff(line) + "\n")
	}
	if verbatim {
		b.WriteString(".fi\n")
	}
	return b.String()
}

// roff returns a text that a formatter prints as it is: a backslash is no escape, a dash stays a dash when it is copied, and
// a line that begins with a dot or a quote is no request.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "`", `\(ga`, "'", `\(aq`, "^", `\(ha`, "~", `\(ti`).Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}

// roffWord returns a text as one argument of a request.
func roffWord(text string) string { return `"` + strings.ReplaceAll(roff(text), `"`, `""`) + `"` }

// lowerFirst returns a text whose first letter is in lower case, as the line of a page's name wants it.
func lowerFirst(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToLower(text[:1]) + text[1:]
}
