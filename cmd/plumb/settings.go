package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"gopkg.in/yaml.v3"
)

// settings gives flags that were not written on the command line their value: from the environment (PLUMB_ALIGN_EVERY
// for --align-every), else from one YAML file (align_every). It implements [kong.Resolver].
type settings struct {
	getenv func(string) string
	file   string               // "" if there is none
	values map[string]yaml.Node // of the file, by key
}

// newSettings reads the file named by --config in args, or by PLUMB_CONFIG. No file is no error; one that is named
// and cannot be read is.
func newSettings(args []string, getenv func(string) string) (*settings, error) {
	s := &settings{getenv: getenv, file: configFile(args)}
	if s.file == "" {
		s.file = getenv("PLUMB_CONFIG")
	}
	if s.file == "" {
		return s, nil
	}
	f, err := os.Open(s.file)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	defer f.Close()
	d := yaml.NewDecoder(f)
	if err := d.Decode(&s.values); err != nil && err != io.EOF {
		return nil, fmt.Errorf("read settings %s: %w", s.file, err)
	}
	if err := d.Decode(&yaml.Node{}); err != io.EOF {
		return nil, fmt.Errorf("read settings %s: more than one document", s.file)
	}
	return s, nil
}

// configFile finds the value of --config. It is wanted before the command line is parsed, for it changes what absent
// flags mean.
func configFile(args []string) string {
	for i, a := range args {
		if v, ok := strings.CutPrefix(a, "--config="); ok {
			return v
		}
		if a == "--config" && i+1 < len(args) {
			return args[i+1]
		}
		if a == "--" {
			break
		}
	}
	return ""
}

// Validate refuses keys that are no setting of any command, and values of a form that no flag has, all of them at once.
func (s *settings) Validate(app *kong.Application) error {
	known := map[string]*kong.Flag{}
	var visit func(n *kong.Node)
	visit = func(n *kong.Node) {
		for _, f := range n.Flags {
			if f.Name != "help" && f.Name != "config" && !f.Hidden {
				known[settingKey(f)] = f
			}
		}
		for _, child := range n.Children {
			visit(child)
		}
	}
	visit(app.Node)
	var problems []error
	keys := slices.SortedFunc(maps.Keys(s.values), func(a, b string) int { return s.values[a].Line - s.values[b].Line })
	for _, key := range keys {
		value := s.values[key]
		if wrong := misused(known[key], value); wrong != "" {
			problems = append(problems, fmt.Errorf("%s:%d: %s: %s", s.file, value.Line, key, wrong))
		}
	}
	return errors.Join(problems...)
}

// misused says what is wrong with a value in the file, "" if nothing is. Its range is checked with the flag's.
func misused(flag *kong.Flag, value yaml.Node) string {
	switch text, ok := texts(value); {
	case flag == nil:
		return "unknown setting; settings are flags of plumb serve and plumb align with _ for -"
	case !ok && flag.IsSlice():
		return "want a value, or a list of values"
	case !ok || len(text) != 1 && !flag.IsSlice():
		return "want one value"
	}
	return ""
}

// texts returns a value as it is written in the file, or the values of a list. What looks like a number stays as it was
// written, so that a secret of digits is not read as one.
func texts(value yaml.Node) (all []string, ok bool) {
	switch {
	case value.Kind == yaml.AliasNode:
		return texts(*value.Alias)
	case value.Kind == yaml.ScalarNode:
		return []string{value.Value}, value.Tag != "!!null"
	case value.Kind != yaml.SequenceNode:
		return nil, false
	}
	for _, element := range value.Content {
		if element.Kind != yaml.ScalarNode || element.Tag == "!!null" {
			return nil, false
		}
		all = append(all, element.Value)
	}
	return all, true
}

// Resolve implements [kong.Resolver].
func (s *settings) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if flag.Name == "help" || flag.Name == "config" {
		return nil, nil
	}
	key := settingKey(flag)
	if v := s.getenv("PLUMB_" + strings.ToUpper(key)); v != "" {
		return v, nil
	}
	v, ok := s.values[key]
	if !ok {
		return nil, nil
	}
	all, _ := texts(v) // Validate has refused what is none
	return strings.Join(all, string(flag.Tag.Sep)), nil
}

// settingKey is what a flag is called in the file: its name with _ for -, or its tag "setting" where two commands have
// flags of one name that mean different things.
func settingKey(flag *kong.Flag) string {
	if key := flag.Tag.Get("setting"); key != "" {
		return key
	}
	return strings.ReplaceAll(flag.Name, "-", "_")
}
