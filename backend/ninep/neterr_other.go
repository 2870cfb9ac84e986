//go:build !unix

package ninep

func isPassingErrno(error) bool { return false }

func isReset(error) bool { return false }
