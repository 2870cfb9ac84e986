package datakit

// followRenames moves what one side did to a file to where the other side moved it.
func (m merger) followRenames(t *threeTrees) error { return nil }
