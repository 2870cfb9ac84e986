// Package pipeline reads what pipeline runs leave behind in a data store, and writes
// it for runners made in Go.
package pipeline
