//go:build !amd64

package kernel

func native() []*isa { return nil }
