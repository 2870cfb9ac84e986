//go:build !linux

package app

func fixEnvironment() {}

func checkDisplay() error { return nil }
