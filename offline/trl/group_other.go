//go:build !unix

package trl

import "os/exec"

// Elsewhere a command is ended alone; what it has started ends by itself.
func inGroup(*exec.Cmd) {}

func endGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }

func killGroup(*exec.Cmd) {}

// guardGroup does nothing: what runs on after this process was killed is to be ended by hand.
func guardGroup(*exec.Cmd) (release func()) { return func() {} }
