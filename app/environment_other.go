//go:build !linux || bindings

package app

func fixEnvironment() {}

func checkDisplay() error { return nil }
