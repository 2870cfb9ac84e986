//go:build unix

package main

// shell runs a command line that follows it as one argument.
var shell = []string{"/bin/sh", "-c"}
