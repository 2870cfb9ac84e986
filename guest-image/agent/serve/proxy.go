//go:build linux

package serve

// ProxyMain is the whole of our docker-proxy: dockerd runs it once for each
// published port, and args are the arguments after the program's name. It returns
// the exit code.
func ProxyMain(args []string) int {
	return 1
}
