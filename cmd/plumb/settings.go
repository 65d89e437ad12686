package main

import (
	"errors"
	"fmt"
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
	file   string         // "" if there is none
	values map[string]any // of the file, by key
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
	text, err := os.ReadFile(s.file)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	if err := yaml.Unmarshal(text, &s.values); err != nil {
		return nil, fmt.Errorf("read settings %s: %w", s.file, err)
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

// Validate refuses keys that are no setting of any command, all of them at once.
func (s *settings) Validate(app *kong.Application) error {
	known := map[string]bool{}
	var visit func(n *kong.Node)
	visit = func(n *kong.Node) {
		for _, f := range n.Flags {
			known[settingKey(f)] = true
		}
		for _, child := range n.Children {
			visit(child)
		}
	}
	visit(app.Node)
	var problems []error
	for key, value := range s.values {
		switch value.(type) {
		case map[string]any, nil:
			problems = append(problems, fmt.Errorf("%s: %s: got %v, want a plain value or a list", s.file, key, value))
		}
		if !known[key] || key == "help" || key == "config" {
			problems = append(problems, fmt.Errorf("%s: %s: unknown setting; settings are flags of plumb serve and plumb align with _ for -", s.file, key))
		}
	}
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(problems...)
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
	if list, ok := v.([]any); ok {
		parts := make([]string, len(list))
		for i, e := range list {
			parts[i] = fmt.Sprint(e)
		}
		return strings.Join(parts, string(flag.Tag.Sep)), nil
	}
	return fmt.Sprint(v), nil
}

// settingKey is what a flag is called in the file: its name with _ for -, or its tag "setting" where two commands have
// flags of one name that mean different things.
func settingKey(flag *kong.Flag) string {
	if key := flag.Tag.Get("setting"); key != "" {
		return key
	}
	return strings.ReplaceAll(flag.Name, "-", "_")
}
