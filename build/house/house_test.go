package house

import (
	"bufio"
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/slipway-desktop/slipway/"

	maxGoFile   = 500
	maxFunction = 80
	maxSvelte   = 250
	maxScript   = 500
	maxMain     = 40
)

// A source is one Go file of ours, parsed.
type source struct {
	path string // slash-separated, from the repository's root
	text []byte
	fset *token.FileSet
	ast  *ast.File
}

func (s source) test() bool { return strings.HasSuffix(s.path, "_test.go") }

func (s source) generated() bool { return ast.IsGenerated(s.ast) }

// tracked returns the files of the repository that end in one of the suffixes:
// those git tracks and those it would, so that a rule bites before the commit.
func tracked(t *testing.T, suffixes ...string) []string {
	t.Helper()
	cmd := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("list the repository's files: %v", err)
	}
	var files []string
	for name := range strings.Lines(string(out)) {
		name = strings.TrimSpace(name)
		if strings.Contains(name, "/testdata/") {
			continue
		}
		for _, suffix := range suffixes {
			if strings.HasSuffix(name, suffix) {
				if _, err := os.Stat(filepath.Join(root, name)); err == nil {
					files = append(files, name)
				}
			}
		}
	}
	if len(files) == 0 {
		t.Fatalf("no files end in %v: this test looks in the wrong place", suffixes)
	}
	return files
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	for _, name := range tracked(t, ".go") {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, text, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, source{name, text, fset, file})
	}
	return all
}

// A boundary forbids the packages below from to import those below any of to.
type boundary struct {
	from   string
	to     []string
	except string // packages below this one may
	why    string
}

var wails = []string{"github.com/wailsapp/", "fyne.io/systray"}

// product is everything that knows more than one kit.
var product = []string{
	module + "backend/engine", module + "backend/control", module + "backend/cmd",
	module + "backend/docker", module + "backend/guest", module + "backend/share",
	module + "app", module + "frontend",
}

var boundaries = []boundary{
	{"backend", wails, "", "only app and main.go know Wails and the tray, so that the engine runs without a window"},
	{"build", wails, "", "tests drive the window from outside"},
	{"guest-image", wails, "", "the guest has no window"},
	{"backend", []string{module + "app", module + "frontend"}, "", "the engine knows nothing of the window"},
	{"backend/vm", append(product, module+"backend/network", module+"backend/datakit", module+"backend/ninep", module+"backend/capture", module+"backend/packet"), "", "the VM kit stands alone"},
	{"backend/network", append(product, module+"backend/vm", module+"backend/datakit", module+"backend/ninep", module+"backend/capture", module+"backend/packet"), "", "the network kit stands alone"},
	{"backend/datakit", append(product, module+"backend/vm", module+"backend/network", module+"backend/capture", module+"backend/packet"), "", "the data kit stands alone, on ninep"},
	{"backend/ninep", []string{module}, "backend/ninep", "ninep is a library for anybody"},
	{"backend/packet", []string{module, "net/http", "os"}, "", "packet decodes bytes: it does no I/O and knows nobody"},
	{"backend/vm/vmtest", []string{module + "backend/vm/qemu", module + "backend/vm/vz"}, "", "the conformance suite knows no driver"},
	{"guest-image/agent", []string{module + "backend/engine", module + "backend/network", module + "backend/vm", module + "backend/datakit"}, "", "the guest shares only the protocol with the host"},
}

func (b boundary) applies(file string) bool {
	dir := path.Dir(file)
	return dir == b.from || strings.HasPrefix(dir, b.from+"/")
}

func TestImportBoundaries(t *testing.T) {
	for _, src := range sources(t) {
		if src.test() && !strings.HasPrefix(src.path, "backend/vm/vmtest") {
			continue
		}
		for _, spec := range src.ast.Imports {
			imported := strings.Trim(spec.Path.Value, `"`)
			for _, b := range boundaries {
				if b.applies(src.path) && b.forbids(imported) {
					t.Errorf("%s imports %s: %s", src.path, imported, b.why)
				}
			}
		}
	}
}

func (b boundary) forbids(imported string) bool {
	if b.except != "" && strings.HasPrefix(imported, module+b.except) {
		return false
	}
	if strings.HasPrefix(imported, module+b.from) {
		return false // a package's own folder
	}
	for _, prefix := range b.to {
		if imported == prefix || strings.HasPrefix(imported, strings.TrimSuffix(prefix, "/")+"/") {
			return true
		}
	}
	return false
}

func TestPackagesAreDocumentedOnce(t *testing.T) {
	docs := map[string][]string{}
	for _, src := range sources(t) {
		dir := path.Dir(src.path)
		if src.test() {
			continue
		}
		if docs[dir] == nil {
			docs[dir] = []string{}
		}
		if src.ast.Doc != nil && strings.TrimSpace(src.ast.Doc.Text()) != "" {
			docs[dir] = append(docs[dir], src.path)
		}
	}
	for dir, files := range docs {
		switch len(files) {
		case 0:
			t.Errorf("%s: no file has a package comment", dir)
		case 1:
		default:
			t.Errorf("%s: package comments in %v; keep one", dir, files)
		}
	}
}

func TestPackageNames(t *testing.T) {
	vague := regexp.MustCompile(`^(util|utils|common|helper|helpers|types|misc|shared|base)$`)
	for _, src := range sources(t) {
		if vague.MatchString(src.ast.Name.Name) {
			t.Errorf("%s: package %s says nothing of what it holds", src.path, src.ast.Name.Name)
		}
	}
}

func TestSizes(t *testing.T) {
	for _, src := range sources(t) {
		if src.test() || src.generated() {
			continue
		}
		limit := maxGoFile
		if src.path == "main.go" {
			limit = maxMain
		}
		if n := bytes.Count(src.text, []byte("\n")); n > limit {
			t.Errorf("%s has %d lines, the limit is %d: which two things does it hold?", src.path, n, limit)
		}
		for _, decl := range src.ast.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			n := src.fset.Position(fn.End()).Line - src.fset.Position(fn.Pos()).Line + 1
			if n > maxFunction {
				t.Errorf("%s: func %s has %d lines, the limit is %d", src.path, fn.Name.Name, n, maxFunction)
			}
		}
	}
	for _, name := range tracked(t, ".svelte", ".ts") {
		if strings.Contains(name, "/wailsjs/") || strings.Contains(name, ".gen.") {
			continue
		}
		limit := maxScript
		if strings.HasSuffix(name, ".svelte") {
			limit = maxSvelte
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(text, []byte("\n")); n > limit {
			t.Errorf("%s has %d lines, the limit is %d", name, n, limit)
		}
	}
}

func TestFormatted(t *testing.T) {
	for _, src := range sources(t) {
		want, err := format.Source(src.text)
		if err != nil {
			t.Errorf("%s: %v", src.path, err)
		} else if !bytes.Equal(want, src.text) {
			t.Errorf("%s: run gofmt", src.path)
		}
	}
}

// Each module that we ask for has a line in ARCHITECTURE.md that says why.
func TestDependenciesAreExplained(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	direct := regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllSubmatch(mod, -1)
	if len(direct) == 0 {
		t.Fatal("go.mod has no direct dependencies: this test looks in the wrong place")
	}
	for _, m := range direct {
		name := regexp.MustCompile(`/v\d+$`).ReplaceAll(m[1], nil)
		if !bytes.Contains(text, name) {
			t.Errorf("go.mod asks for %s, and ARCHITECTURE.md does not say why", m[1])
		}
	}
}

// Only the bridge may know that there is a Go side behind the window.
func TestOnlyTheBridgeImportsBindings(t *testing.T) {
	imports := regexp.MustCompile(`(?:from|import)\s*\(?\s*['"][^'"]*wailsjs`)
	for _, name := range tracked(t, ".svelte", ".ts") {
		if strings.HasPrefix(name, "frontend/src/lib/bridge/") {
			continue
		}
		file, err := os.Open(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(file)
		for n := 1; lines.Scan(); n++ {
			if imports.MatchString(lines.Text()) {
				t.Errorf("%s:%d imports the generated bindings; use the bridge", name, n)
			}
		}
		file.Close()
	}
}

// The bindings in the repository must be those that the bound Go types give.
func TestBindingsAreFresh(t *testing.T) {
	const bindings = "frontend/src/lib/bridge/wailsjs"
	before := tree(t, filepath.Join(root, bindings))
	work := t.TempDir()
	binary := filepath.Join(work, "bindings")
	build := exec.Command("go", "build", "-tags", "bindings", "-o", binary, ".")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the bindings generator: %v\n%s", err, out)
	}
	// The generator writes below its working directory, as wails.json there says.
	config, err := os.ReadFile(filepath.Join(root, "wails.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(work, "wails.json"), config, 0o644); err != nil {
		t.Fatal(err)
	}
	run := exec.Command(binary)
	run.Dir = work
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("generate the bindings: %v\n%s", err, out)
	}
	after := tree(t, filepath.Join(work, bindings))
	for name, want := range after {
		if strings.HasPrefix(name, "runtime/") {
			continue
		}
		if got, ok := before[name]; !ok || got != want {
			t.Errorf("%s/%s is stale: run `make generate` and commit it", bindings, name)
		}
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			t.Errorf("%s/%s is of a time gone by: run `make generate` and commit it", bindings, name)
		}
	}
	if len(after) == 0 {
		t.Error("the generator wrote nothing: this test looks in the wrong place")
	}
}

func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		files[filepath.ToSlash(rel)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(fmt.Errorf("read the bindings: %w", err))
	}
	return files
}
