// Darwincheck type-checks the code of this module that only macOS compiles, on
// any system:
//
//	go run ./build/darwincheck [-tags LIST] [-arch ARCH] [PACKAGES]
//
// It exists because Virtualization.framework is reached through cgo, which no
// Linux machine can compile for macOS without Apple's headers. Calls of the real
// Go bindings are Go, though, and their types can be checked: darwincheck loads
// the packages (by default ./...) with their tests and all their dependencies
// as the go command would for macOS, from the module versions in go.mod, and
// runs go/types over them. Names in C.* are taken to be right, and function
// bodies of dependencies are not looked at. It does not link and cannot know
// whether anything works.
//
// Errors are printed with their positions, and make the exit code 1.
package main
