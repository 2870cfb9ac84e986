package engine

import (
	"os"
	"path/filepath"
)

func systemHome() (string, error) {
	dir, err := os.UserConfigDir() // ~/Library/Application Support
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "Slipway"), nil
}
