package journal

// syncDir does nothing: NTFS journals its names. Not tried on Windows.
func syncDir(string) error { return nil }
