package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// source is what the Go source says beyond the types: comments, and the
// constants that a named string may be.
type source struct {
	docs   map[string]string   // by Type or Type.Field
	values map[string][]string // of the constants of a type, in order
}

func readSource(dir string) (source, error) {
	s := source{docs: map[string]string{}, values: map[string][]string{}}
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return s, err
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			return s, err
		}
		for _, d := range f.Decls {
			if g, ok := d.(*ast.GenDecl); ok {
				s.add(g)
			}
		}
	}
	if len(s.docs) == 0 {
		return s, fmt.Errorf("no Go source in %s: %w", dir, fs.ErrNotExist)
	}
	return s, nil
}

func (s source) add(g *ast.GenDecl) {
	for _, spec := range g.Specs {
		switch v := spec.(type) {
		case *ast.TypeSpec:
			s.docs[v.Name.Name] = prose(g.Doc, v.Doc)
			if st, ok := v.Type.(*ast.StructType); ok {
				for _, f := range st.Fields.List {
					for _, n := range f.Names {
						s.docs[v.Name.Name+"."+n.Name] = prose(f.Doc, f.Comment)
					}
				}
			}
		case *ast.ValueSpec:
			typ, ok := v.Type.(*ast.Ident)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, x := range v.Values {
				if lit, ok := x.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					if text, err := strconv.Unquote(lit.Value); err == nil {
						s.values[typ.Name] = append(s.values[typ.Name], text)
					}
				}
			}
		}
	}
}

var docLink = regexp.MustCompile(`(^|\s)\[(\w[\w.]*)\]`)

// prose is a comment as one paragraph, without Go's links.
func prose(groups ...*ast.CommentGroup) string {
	var text []string
	for _, g := range groups {
		if t := strings.Join(strings.Fields(g.Text()), " "); t != "" {
			text = append(text, t)
		}
	}
	return docLink.ReplaceAllString(strings.Join(text, " "), "$1$2")
}
