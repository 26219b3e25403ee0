package config

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/pelletier/go-toml/v2"

	"muster/internal/environ"
	"muster/internal/fault"
)

// set decodes the value of e into field, a pointer of the type that belongs to the kind. The message of its error
// continues the path of the key.
func (k *key) set(field any, e entry) error {
	switch f := field.(type) {
	case *string:
		return k.setText(f, e.value)
	case *int:
		return k.setCount(f, e.value)
	case *time.Duration:
		return k.setDuration(f, e.value)
	case *int64:
		if k.kind == kindTokens {
			return k.setTokens(f, e.value)
		}
		return k.setSize(f, e.value)
	case *float64:
		return k.setAmount(f, e.value)
	case *bool:
		if k.kind == kindBool {
			return k.setBool(f, e.value)
		}
		return k.setEdit(f, e.value)
	case *[]string:
		return k.setList(f, e.value)
	case *Ports:
		return k.setPorts(f, e.value)
	case map[string]string:
		if k.kind == kindVariable {
			return k.setFrom(f, e.path[len(e.path)-1], e.value)
		}
		return k.setVariable(f, e.path[len(e.path)-1], e.value)
	}
	return fmt.Errorf("has a field of type %T, which no value fits", field)
}

// wants describes a valid value in words.
func (k *key) wants() string {
	switch k.kind {
	case kindWord:
		return "one of " + quoted(k.words)
	case kindName:
		return "a name, a string"
	case kindCount, kindTokens:
		return "an integer"
	case kindAmount:
		return "an amount of USD, a number"
	case kindShare:
		return "a number from 0 to 1"
	case kindDuration:
		return `a duration, a string such as "90s" or "3h"`
	case kindSize:
		return `a size, a string such as "512MiB"`
	case kindList, kindPaths, kindNames, kindGlobs:
		return "a list of strings"
	case kindSpans:
		return `a list of spans such as ["23:00-07:00"]`
	case kindFiles:
		return "a list of absolute paths"
	case kindPorts:
		return `"any" or a list of ports such as [443]`
	case kindArgv:
		return `a list of strings such as ["./agent.sh", "{prompt_file}"]`
	case kindEdit:
		return `"edit" or ["edit"]`
	case kindScript:
		return "a shell command, a string"
	case kindText, kindEnv, kindEnvPath, kindFile:
		return "a string"
	case kindMeaning:
		return "a word, a table, or a list of tables"
	case kindPointers:
		return "a JSON pointer or a list of them"
	case kindBool:
		return "true or false"
	case kindVariable:
		return "the name of a variable, a string"
	case kindClock:
		return `a time of day, a string such as "18:00"`
	}
	return "a " + string(k.kind)
}

func (k *key) mismatch(v any) error {
	return fault.New(fault.Usage, "must be %s, not %s", k.wants(), typeName(v))
}

func (k *key) setBool(f *bool, v any) error {
	b, ok := v.(bool)
	if !ok {
		return k.mismatch(v)
	}
	*f = b
	return nil
}

// typeName returns the TOML type of a decoded value, with its article.
func typeName(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case int64:
		return "an integer"
	case float64:
		return "a float"
	case bool:
		return "a boolean"
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	case time.Time, toml.LocalDate, toml.LocalDateTime, toml.LocalTime:
		return "a date or time"
	}
	return "this"
}

func (k *key) setText(f *string, v any) error {
	s, ok := v.(string)
	if !ok {
		return k.mismatch(v)
	}
	if strings.ContainsRune(s, 0) {
		return fault.New(fault.Usage, "holds a NUL character")
	}
	switch k.kind {
	case kindVariable:
		if err := validVariable(s); err != nil {
			return err
		}
	case kindClock:
		if _, err := time.Parse(clockForm, s); err != nil && (s != "" || k.path != "notify.digest") {
			return fault.New(fault.Usage, "is %q, which is no time of day", s).WithHint("Write it like \"18:00\".")
		}
	case kindWord:
		if !slices.Contains(k.words, s) {
			return fault.New(fault.Usage, "is %q, which is not one of %s", s, quoted(k.words)).
				WithHint("%s", hintWord(s, k.words, "It is one of", ""))
		}
		if s == trustInherit {
			s = ""
		}
	case kindName:
		if !validName(s) {
			return fault.New(fault.Usage, "is %q, which is not a name", s).WithHint("%s", nameRule)
		}
	case kindScript:
		if strings.TrimSpace(s) == "" {
			return fault.New(fault.Usage, "is empty").WithHint("Give the command, or remove the check.")
		}
	case kindFile:
		if s != "" && !filepath.IsAbs(s) && !strings.HasPrefix(s, "~/") {
			return fault.New(fault.Usage, "is %q, which is not an absolute path", s).
				WithHint("Begin it with / or ~/.")
		}
	case kindText:
		if strings.HasPrefix(s, "-") {
			return fault.New(fault.Usage, "is %q, which looks like a flag", s)
		}
	default: // any string is valid
	}
	*f = s
	return nil
}

func (k *key) setCount(f *int, v any) error {
	n, ok := v.(int64)
	if !ok {
		return k.mismatch(v)
	}
	if n < k.min || n > k.max {
		return fault.New(fault.Usage, "is %d, and must be from %d to %d", n, k.min, k.max)
	}
	*f = int(n)
	return nil
}

func (k *key) setDuration(f *time.Duration, v any) error {
	s, ok := v.(string)
	if !ok {
		return k.mismatch(v)
	}
	d, ok := ParseDuration(s)
	if !ok {
		return fault.New(fault.Usage, "is %q, which is not a duration", s).
			WithHint(`Write it like "90s", "20m", "3h", "1h30m" or "2d".`)
	}
	if least := time.Duration(k.min); d < least {
		return fault.New(fault.Usage, "is %q, and must be at least %v", s, least)
	}
	*f = d
	return nil
}

// ParseDuration parses a duration as time.ParseDuration does, and also days before it ("2d", "1d12h").
func ParseDuration(s string) (time.Duration, bool) {
	var days time.Duration
	if n, rest, found := strings.Cut(s, "d"); found {
		whole, err := strconv.ParseUint(n, 10, 16) // 179 years, which leaves room for the rest
		if err != nil {
			return 0, false
		}
		days = time.Duration(whole) * 24 * time.Hour
		if rest == "" {
			return days, true
		}
		s = rest
		if s[0] == '-' || s[0] == '+' {
			return 0, false
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d > math.MaxInt64-days {
		return 0, false
	}
	return days + d, true
}

func (k *key) setSize(f *int64, v any) error {
	switch v := v.(type) {
	case int64:
		if v < 0 {
			return fault.New(fault.Usage, "is %d, and must not be negative", v)
		}
		*f = v
	case string:
		n, ok := ParseSize(v)
		if !ok {
			return fault.New(fault.Usage, "is %q, which is not a size", v).WithHint(`Write it like "512MiB" or "2GiB".`)
		}
		*f = n
	default:
		return k.mismatch(v)
	}
	if *f < k.min {
		return fault.New(fault.Usage, "is %v, and must be at least %d bytes", v, k.min)
	}
	return nil
}

// ParseSize parses a number of bytes: "1048576", "512MiB", "2G". K, M, G and T are powers of 1024, with or without
// "iB" or "B".
func ParseSize(s string) (int64, bool) {
	digits := strings.TrimRight(s, "KMGTiBkb ")
	unit := strings.TrimSpace(s[len(digits):])
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || strings.HasPrefix(digits, "+") {
		return 0, false
	}
	shift := map[string]int{
		"": 0, "B": 0, "K": 10, "KB": 10, "KiB": 10, "M": 20, "MB": 20, "MiB": 20,
		"G": 30, "GB": 30, "GiB": 30, "T": 40, "TB": 40, "TiB": 40,
	}
	bits, ok := shift[unit]
	if !ok || n > math.MaxInt64>>bits {
		return 0, false
	}
	return n << bits, true
}

func (k *key) setEdit(f *bool, v any) error {
	words, ok := v.([]any)
	if !ok {
		words = []any{v}
	}
	on := false
	for _, w := range words {
		s, isString := w.(string)
		if !isString {
			return k.mismatch(v)
		}
		if s != onEdit {
			return fault.New(fault.Usage, "is %q, and can only be %q", s, onEdit).
				WithHint("Every check runs at the end of a turn; on = \"edit\" runs it also after each edit.")
		}
		on = true
	}
	*f = on
	return nil
}

const onEdit = "edit"

func (k *key) setList(f *[]string, v any) error {
	items, ok := v.([]any)
	if !ok {
		return k.mismatch(v)
	}
	list := make([]string, 0, len(items))
	if k.kind == kindGlobs && len(items) == 0 {
		list = nil // as without the key
	}
	for _, item := range items {
		s, ok := item.(string)
		if !ok {
			return fault.New(fault.Usage, "must be %s, and holds %s", k.wants(), typeName(item))
		}
		if strings.ContainsRune(s, 0) {
			return fault.New(fault.Usage, "holds a NUL character")
		}
		s, err := k.item(s)
		if err != nil {
			return err
		}
		list = append(list, s)
	}
	if k.kind == kindArgv && (len(list) == 0 || strings.TrimSpace(list[0]) == "") {
		return fault.New(fault.Usage, "is empty").WithHint("Its first word is the program.")
	}
	*f = list
	return nil
}

// item validates and cleans one string of a list.
func (k *key) item(s string) (string, error) {
	switch k.kind {
	case kindPaths:
		clean := filepath.Clean(s)
		switch {
		case s == "" || clean == ".":
			return "", fault.New(fault.Usage, "holds %q, which names no file", s)
		case filepath.IsAbs(s) || strings.HasPrefix(s, "~"):
			return "", fault.New(fault.Usage, "holds %q, which is absolute", s).
				WithHint("Name files relative to the root of the checkout.")
		case clean == ".." || strings.HasPrefix(clean, "../") || slices.Contains(strings.Split(s, "/"), ".."):
			return "", fault.New(fault.Usage, "holds %q, which leaves the checkout", s).
				WithHint("Name files relative to the root of the checkout, without ..")
		case slices.Contains(strings.Split(clean, "/"), ".git"):
			return "", fault.New(fault.Usage, "holds %q, which belongs to git", s)
		}
		return clean, nil
	case kindGlobs:
		return s, CheckScope(s)
	case kindNames:
		return s, validVariable(s)
	case kindSpans:
		if _, ok := ParseSpan(s); !ok {
			return "", fault.New(fault.Usage, "holds %q, which is no span of the day", s).WithHint("Write it like \"23:00-07:00\".")
		}
		return s, nil
	case kindFiles:
		if !filepath.IsAbs(s) && s != "~" && !strings.HasPrefix(s, "~/") {
			return "", fault.New(fault.Usage, "holds %q, which is not an absolute path", s).WithHint("Begin it with / or ~/.")
		}
		return filepath.Clean(s), nil
	default: // any string is valid
	}
	return s, nil
}

// CheckScope returns an error for a pattern of files that can match none of a checkout. Its error is a fault.Usage.
func CheckScope(pattern string) error {
	switch {
	case pattern == "" || !doublestar.ValidatePattern(pattern):
		return fault.New(fault.Usage, "holds %q, which is no pattern of files", pattern).WithHint("Write one such as \"src/**\" or \"docs/*.md\".")
	case strings.HasPrefix(pattern, "/") || strings.HasPrefix(pattern, "~") || strings.HasPrefix(pattern, "./") || slices.Contains(strings.Split(pattern, "/"), ".."):
		return fault.New(fault.Usage, "holds %q, which matches no file of the checkout", pattern).
			WithHint("Write patterns relative to the root of the checkout, without ./ or ..")
	}
	return nil
}

// anyPort is the word for all ports.
const anyPort = "any"

func (k *key) setPorts(f *Ports, v any) error {
	if s, ok := v.(string); ok {
		if s != anyPort {
			return fault.New(fault.Usage, "is %q, and must be %s", s, k.wants())
		}
		*f = nil
		return nil
	}
	items, ok := v.([]any)
	if !ok {
		return k.mismatch(v)
	}
	ports := Ports{}
	for _, item := range items {
		n, ok := item.(int64)
		if !ok {
			return fault.New(fault.Usage, "must be %s, and holds %s", k.wants(), typeName(item))
		}
		if n < 1 || n > 65535 {
			return fault.New(fault.Usage, "holds %d, and a port is from 1 to 65535", n)
		}
		ports = append(ports, int(n))
	}
	*f = ports
	return nil
}

func (k *key) setVariable(env map[string]string, name string, v any) error {
	s, ok := v.(string)
	if !ok {
		return fault.New(fault.Usage, "must be a string, not %s", typeName(v)).WithHint("Put the value in quotes.")
	}
	if err := validVariable(name); err != nil {
		return err
	}
	if strings.ContainsRune(s, 0) {
		return fault.New(fault.Usage, "holds a NUL character")
	}
	if s != "" && LooksSecret(name) {
		return fault.New(fault.Usage, "looks like a secret, and secrets are never written here").
			WithHint("Remove the value and name the variable instead: env_from = [%q]", name)
	}
	env[name] = s
	return nil
}

// setFrom sets from which variable of the fleet's environment the agent's variable name gets its value.
func (k *key) setFrom(from map[string]string, name string, v any) error {
	s, ok := v.(string)
	if !ok {
		return k.mismatch(v)
	}
	if err := validVariable(name); err != nil {
		return err
	}
	if err := validVariable(s); err != nil {
		return err
	}
	from[name] = s
	return nil
}

// CheckVariable validates NAME=VALUE for an agent's environment. It rejects a bad name, a name that muster sets itself,
// and a name that looks like that of a secret, which must be passed by env_from. The message of its error continues a
// sentence that the caller begins.
func CheckVariable(name, value string) error {
	if err := validVariable(name); err != nil {
		return err
	}
	if value != "" && LooksSecret(name) {
		return fault.New(fault.Usage, "%s looks like a secret, and what is written here is kept in the log", name).
			WithHint("Name it in env_from of the agent in %s, and set it where `muster up` runs.", ProjectFile)
	}
	return nil
}

// validVariable rejects a bad name of a variable, and the names that muster sets for every agent.
func validVariable(name string) error {
	ok := name != "" && len(name) <= 256 && (name[0] < '0' || name[0] > '9')
	for _, r := range name {
		ok = ok && isWord(r)
	}
	if !ok {
		return fault.New(fault.Usage, "names %q, which is no name of a variable", name)
	}
	if environ.IsOwn(name) {
		return fault.New(fault.Usage, "names %s, which muster sets itself", name).WithHint("Choose another name.")
	}
	return nil
}

// LooksSecret reports whether the name of a variable is that of a secret: one of its parts ends with KEY, TOKEN,
// SECRET, PASSWORD or the like, and its last part is not that of a file or a number.
func LooksSecret(name string) bool {
	parts := strings.Split(strings.ToUpper(name), "_")
	if slices.Contains([]string{"FILE", "PATH", "DIR", "TTL", "MS"}, parts[len(parts)-1]) {
		return false
	}
	return slices.ContainsFunc(parts, func(part string) bool {
		for _, w := range []string{"KEY", "KEYS", "TOKEN", "SECRET", "SECRETS", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIALS"} {
			if strings.HasSuffix(part, w) {
				return true
			}
		}
		return false
	})
}
