package cli

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"muster/internal/config"
	"muster/internal/fault"
)

// helpWidth is the width of help texts in columns; they are narrower on a narrower terminal.
const helpWidth = 80

// dress sets what all verbs share: the layout of the help, and errors about arguments and flags with the next step.
func dress(env Env, c *cobra.Command) {
	c.SetHelpFunc(func(c *cobra.Command, _ []string) { _, _ = fmt.Fprint(env.Stdout, helpText(env, c)) })
	c.SetFlagErrorFunc(flagFault)
	var each func(*cobra.Command)
	each = func(c *cobra.Command) {
		check := c.Args
		c.Args = func(c *cobra.Command, args []string) error {
			if err := exclusionFault(c); err != nil {
				return err
			}
			return argsFault(c, check, args)
		}
		for _, sub := range c.Commands() {
			each(sub)
		}
	}
	for _, sub := range c.Commands() {
		each(sub)
	}
}

// helpText returns the help of a verb: description, examples, usage, flags, exit codes.
func helpText(env Env, c *cobra.Command) string {
	width := helpWidth
	if w := env.width(); w > 0 {
		width = min(width, w)
	}
	var b strings.Builder
	b.WriteString(reflow(cmp.Or(c.Long, c.Short+"."), width) + "\n")
	if c.HasParent() {
		fmt.Fprintf(&b, "\nUsage:\n  %s\n", c.UseLine())
	}
	if !c.HasParent() {
		for _, g := range c.Groups() {
			listVerbs(&b, g.Title, listed(c), g.ID)
		}
	} else {
		listVerbs(&b, "Verbs:", listed(c), "")
	}
	if c.HasParent() && c.HasAvailableLocalFlags() {
		b.WriteString("\nFlags:\n" + c.LocalFlags().FlagUsagesWrapped(width))
	}
	b.WriteString("\n")
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "`%s VERB --help` tells more about a verb.\n", c.CommandPath())
	}
	b.WriteString(exitHelp(exitCodes(c)))
	return b.String()
}

// listed returns the verbs below a verb that its help and its manual page list.
func listed(c *cobra.Command) []*cobra.Command {
	return slices.DeleteFunc(slices.Clone(c.Commands()), func(sub *cobra.Command) bool { return !sub.IsAvailableCommand() })
}

func listVerbs(b *strings.Builder, title string, all []*cobra.Command, group string) {
	all = slices.DeleteFunc(all, func(c *cobra.Command) bool { return c.GroupID != group })
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s\n", title)
	for _, c := range all {
		fmt.Fprintf(b, "  %-11s %s\n", c.Name(), c.Short)
	}
}

// reflow breaks paragraphs at a width. Indented lines, such as examples, stay as they are.
func reflow(text string, width int) string {
	var out, paragraph []string
	flush := func() {
		if len(paragraph) > 0 {
			out = append(out, ansi.Wordwrap(strings.Join(paragraph, " "), width, ""))
			paragraph = nil
		}
	}
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		if line == "" || strings.HasPrefix(line, " ") {
			flush()
			out = append(out, line)
			continue
		}
		paragraph = append(paragraph, line)
	}
	flush()
	return strings.Join(out, "\n")
}

// exclusionFault returns the error for flags that exclude each other. Cobra would report it, too, as a failure and not as wrong usage.
func exclusionFault(c *cobra.Command) error {
	if c.ValidateFlagGroups() == nil {
		return nil
	}
	var names []string
	c.Flags().Visit(func(f *pflag.Flag) {
		if len(f.Annotations["cobra_annotation_mutually_exclusive"]) > 0 { // set by MarkFlagsMutuallyExclusive
			names = append(names, "--"+f.Name)
		}
	})
	return fault.New(fault.Usage, "%s exclude each other", strings.Join(names, " and ")).WithHint("Leave one of them out.")
}

// argsFault returns the error for an unexpected or a missing argument.
func argsFault(c *cobra.Command, check cobra.PositionalArgs, args []string) error {
	if check == nil && c.HasSubCommands() && len(args) > 0 {
		return unknownVerb(c, args[0])
	}
	if check == nil {
		return nil
	}
	err := check(c, args)
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	said := fault.New(fault.Usage, "%s: an argument is missing", verbPath(c))
	for n := range args {
		if check(c, args[:n]) == nil {
			said = fault.New(fault.Usage, "%s: unexpected argument %q", verbPath(c), args[n])
			break
		}
	}
	return said.WithHint("Usage: %s", c.UseLine())
}

// flagFault returns the error for a wrong flag.
func flagFault(c *cobra.Command, err error) error {
	hint := fmt.Sprintf("`%s --help` lists the flags.", c.CommandPath())
	if e, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		f := e.GetFlag()
		why := e.Unwrap().Error()
		switch f.Value.Type() {
		case "bool":
			why = fmt.Sprintf("%q is neither true nor false", e.GetValue())
		case "duration":
			why = fmt.Sprintf("%q is not a duration such as 90s, 20m or 3h", e.GetValue())
		case "int", "int64":
			why = fmt.Sprintf("%q is not a number", e.GetValue())
		}
		return fault.New(fault.Usage, "--%s: %s", f.Name, why).WithHint("%s", hint)
	}
	if e, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return fault.New(fault.Usage, "--%s needs a value", e.GetSpecifiedName()).WithHint("%s", hint)
	}
	if e, ok := errors.AsType[*pflag.NotExistError](err); ok {
		return unknownFlag(c, e, hint)
	}
	return fault.Wrap(fault.Usage, err, "%s", verbPath(c)).WithHint("%s", hint)
}

func unknownFlag(c *cobra.Command, e *pflag.NotExistError, hint string) error {
	name := "--" + e.GetSpecifiedName()
	if short := e.GetSpecifiedShortnames(); short != "" {
		name = "-" + short
	}
	if strings.Contains(c.Use, "PROMPT") || strings.Contains(c.Use, "TEXT") {
		hint += " A text that begins with a dash goes behind --, as in " + c.CommandPath() + " -- '" + clean(name, 20) + " …'"
	}
	var known []string
	c.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	if near := config.Nearest(e.GetSpecifiedName(), known); near != "" {
		hint = fmt.Sprintf("Did you mean --%s? %s", near, hint)
	}
	return fault.New(fault.Usage, "%s: there is no flag %s", verbPath(c), clean(name, 60)).WithHint("%s", hint)
}

// verbPath returns the name of a verb in errors, such as "config check".
func verbPath(c *cobra.Command) string {
	return strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" ")
}

func unknownVerb(parent *cobra.Command, word string) error {
	path := parent.CommandPath()
	e := fault.New(fault.Usage, "%s: there is no verb %q", path, clean(word, 60))
	if !parent.HasParent() {
		e = fault.New(fault.Usage, "there is no verb %q", clean(word, 60))
	}
	parent.SuggestionsMinimumDistance = 2
	if near := parent.SuggestionsFor(word); len(near) > 0 {
		return e.WithHint("Did you mean `%s %s`?", path, strings.Join(near, "` or `"+path+" "))
	}
	return e.WithHint("`%s --help` lists all verbs.", path)
}
