// Package kernelmount shows a 9P tree as a directory of this computer: by the kernel's
// own 9P client where there is one, which needs root and the modules 9p and 9pnet_fd,
// else by FUSE (package fusefs).
//
// Whether the kernel can is not guessed from lists of modules: mount(2) is tried,
// which loads them. Its refusals for want of rights or of a module choose FUSE; any
// other is an error, as FUSE would meet it, too.
//
// The options of the kernel's mount: 9P2000.L, no cache, and access for the user who
// mounted only. Its options and transports:
// https://www.kernel.org/doc/html/latest/filesystems/9p.html
package kernelmount

import "errors"

// ErrNoKernel says that this kernel, or this user, cannot mount 9P.
var ErrNoKernel = errors.New("the kernel has no 9P client for this user")
