//go:build !openblas

package kernel

func library([]*isa) []*isa { return nil }
