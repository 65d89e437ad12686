package main

import (
	"fmt"
	"runtime/debug"
)

// VersionCmd prints what this program was built from.
type VersionCmd struct{}

// Run implements the command.
func (VersionCmd) Run(c *Context) error {
	_, err := fmt.Fprintln(c.Stdout, version())
	return err
}

// version names the code: the module version if installed by one, else the commit, else "devel".
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return "devel"
}
