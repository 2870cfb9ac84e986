package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
)

const module = "github.com/slipway-desktop/slipway"

// source is what reflection cannot tell of a package: comments and constants.
type source struct {
	types  map[string]string            // type → its comment
	fields map[string]map[string]string // type → field → its comment
	enums  map[string][]string          // named string type → the values of its constants, in order
}

// parsePackage reads the source of one package of this module, without tests.
func parsePackage(root, path string) (*source, error) {
	rel, ok := strings.CutPrefix(path, module+"/")
	if !ok {
		return nil, fmt.Errorf("%s is not a package of this module", path)
	}
	files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(rel), "*.go"))
	if err != nil {
		return nil, err
	}
	s := &source{types: map[string]string{}, fields: map[string]map[string]string{}, enums: map[string][]string{}}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, decl := range f.Decls {
			if g, ok := decl.(*ast.GenDecl); ok {
				s.read(g)
			}
		}
	}
	return s, nil
}

func (s *source) read(g *ast.GenDecl) {
	for _, spec := range g.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			doc := spec.Doc
			if doc == nil {
				doc = g.Doc
			}
			s.types[spec.Name.Name] = doc.Text()
			if t, ok := spec.Type.(*ast.StructType); ok {
				s.readFields(spec.Name.Name, t)
			}
		case *ast.ValueSpec:
			typ, ok := spec.Type.(*ast.Ident)
			if g.Tok != token.CONST || !ok {
				continue
			}
			for _, v := range spec.Values {
				lit, ok := v.(*ast.BasicLit)
				if !ok || lit.Kind != token.STRING {
					continue
				}
				if text, err := strconv.Unquote(lit.Value); err == nil {
					s.enums[typ.Name] = append(s.enums[typ.Name], text)
				}
			}
		}
	}
}

func (s *source) readFields(name string, t *ast.StructType) {
	s.fields[name] = map[string]string{}
	for _, field := range t.Fields.List {
		text := strings.TrimSpace(field.Doc.Text() + field.Comment.Text())
		for _, id := range field.Names {
			s.fields[name][id.Name] = text
		}
	}
}
