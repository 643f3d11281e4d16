package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"strings"

	"github.com/spf13/pflag"
	"gopkg.in/yaml.v3"
)

// A setting is one leaf of the configuration. Its name is its path in the
// YAML file (executor.max-parallel), its flag is --executor.max-parallel and its
// environment variable DRAWBRIDGE_EXECUTOR_MAX_PARALLEL.
type setting struct {
	name  string
	value reflect.Value
}

// settingsOf walks the yaml tags of a pointer to a struct.
func settingsOf(cfg any) []setting {
	var out []setting
	var walk func(prefix string, v reflect.Value)
	walk = func(prefix string, v reflect.Value) {
		for i := range v.NumField() {
			f := v.Type().Field(i)
			tag, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if tag == "-" || !f.IsExported() {
				continue
			}
			name := prefix
			if opts != "inline" {
				name = strings.TrimPrefix(prefix+"."+tag, ".")
			}
			if f.Type.Kind() == reflect.Struct && !isScalar(f.Type) {
				walk(name, v.Field(i))
				continue
			}
			out = append(out, setting{name, v.Field(i)})
		}
	}
	walk("", reflect.ValueOf(cfg).Elem())
	return out
}

// isScalar tells structs that YAML reads from one scalar from those it reads from a map.
func isScalar(t reflect.Type) bool {
	_, unmarshals := reflect.New(t).Interface().(yaml.Unmarshaler)
	return unmarshals
}

func (s setting) env() string {
	return "DRAWBRIDGE_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(s.name))
}

// set reads one value as YAML would, so that 5s, [a, b] and {k: v} work everywhere.
// A string is taken as it is.
func (s setting) set(text string) error {
	if s.value.Kind() == reflect.String {
		s.value.SetString(text)
		return nil
	}
	fresh := reflect.New(s.value.Type())
	if err := decodeStrict([]byte(text), fresh.Interface()); err != nil {
		return fmt.Errorf("setting %s: %q: %w", s.name, text, err)
	}
	s.value.Set(fresh.Elem())
	return nil
}

// flagValue makes a setting a pflag.Value.
type flagValue struct {
	setting
	text string
}

func (f *flagValue) String() string { return f.text }
func (f *flagValue) Set(s string) error {
	f.text = s
	return nil
}
func (f *flagValue) Type() string {
	return strings.TrimPrefix(f.value.Type().String(), "time.")
}

// addSettings gives every setting of cfg a flag.
func addSettings(fs *pflag.FlagSet, cfg any) {
	for _, s := range settingsOf(cfg) {
		fs.Var(&flagValue{setting: s}, s.name, "also "+s.env())
		if s.value.Kind() == reflect.Bool {
			fs.Lookup(s.name).NoOptDefVal = "true"
		}
	}
}

// loadSettings fills cfg: what it holds already are the defaults, the file
// overrides them, the environment the file, and flags everything.
func loadSettings(cfg any, file string, fs *pflag.FlagSet) error {
	if file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("configuration: %w", err)
		}
		if err := decodeStrict(b, cfg); err != nil {
			return fmt.Errorf("configuration %s: %w", file, err)
		}
	}
	for _, s := range settingsOf(cfg) {
		if text, ok := os.LookupEnv(s.env()); ok {
			if err := s.set(text); err != nil {
				return fmt.Errorf("environment %s: %w", s.env(), err)
			}
		}
	}
	var errs []error
	fs.Visit(func(f *pflag.Flag) {
		if v, ok := f.Value.(*flagValue); ok {
			if err := v.set(v.text); err != nil {
				errs = append(errs, fmt.Errorf("flag --%s: %w", f.Name, err))
			}
		}
	})
	return errors.Join(errs...)
}

// decodeStrict reads one YAML document; an unknown key is an error that names its line.
func decodeStrict(b []byte, into any) error {
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	err := d.Decode(into)
	var wrong *yaml.TypeError
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case errors.As(err, &wrong):
		return &yaml.TypeError{Errors: nameLines(wrong.Errors, b)}
	case err != nil:
		return err
	}
	var second yaml.Node
	if err := d.Decode(&second); !errors.Is(err, io.EOF) {
		return fmt.Errorf("line %d: a second document, which nobody would read", second.Line)
	}
	return nil
}

// unknownKey is what yaml says of a key that has no field; the type is of no use to users.
var unknownKey = regexp.MustCompile(`field (\S+) not found in type \S+$`)

// nameLines adds to errors that begin with "line N: " what is set on that line.
func nameLines(errs []string, doc []byte) []string {
	var root yaml.Node
	if yaml.Unmarshal(doc, &root) != nil {
		return errs
	}
	names := map[int]string{}
	var walk func(path string, n *yaml.Node)
	walk = func(path string, n *yaml.Node) {
		if path != "" {
			names[n.Line] = path
		}
		for i, child := range n.Content {
			switch {
			case n.Kind == yaml.DocumentNode:
				walk(path, child)
			case n.Kind == yaml.SequenceNode:
				walk(fmt.Sprintf("%s[%d]", path, i), child)
			case n.Kind == yaml.MappingNode && i%2 == 1:
				walk(strings.TrimPrefix(path+"."+n.Content[i-1].Value, "."), child)
			}
		}
	}
	walk("", &root)
	var out []string
	for _, e := range errs {
		var line int
		if unknownKey.MatchString(e) {
			out = append(out, unknownKey.ReplaceAllString(e, "${1}: there is no such setting"))
			continue
		}
		if _, err := fmt.Sscanf(e, "line %d:", &line); err == nil && names[line] != "" {
			e = fmt.Sprintf("line %d: %s: %s", line, names[line], strings.TrimPrefix(e, fmt.Sprintf("line %d: ", line)))
		}
		out = append(out, e)
	}
	return out
}

// configFileFromEnv is the default of --config.
func configFileFromEnv() string { return os.Getenv("DRAWBRIDGE_CONFIG") }
