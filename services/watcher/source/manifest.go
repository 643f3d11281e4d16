package source

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// Object is what every kind here is.
type Object interface {
	metav1.Object
	metav1.ObjectMetaAccessor
}

// Manifest is one object of a file.
type Manifest struct {
	Kind   string
	Object Object
	File   string // relative to the folder
	Line   int    // of the document
}

// ID is Kind/namespace/name.
func (m Manifest) ID() string {
	return m.Kind + "/" + m.Object.GetNamespace() + "/" + m.Object.GetName()
}

// Where is file:line.
func (m Manifest) Where() string { return fmt.Sprintf("%s:%d", m.File, m.Line) }

// maxFile is the size from which on a file is taken for no manifest.
const maxFile = 64 << 20

// manifestKinds are what is read, by apiVersion and kind; all others are passed over.
var manifestKinds = map[string]struct {
	namespaced bool
	make       func() Object
}{
	"v1/Service":                        {true, func() Object { return &corev1.Service{} }},
	"networking.k8s.io/v1/Ingress":      {true, func() Object { return &networkingv1.Ingress{} }},
	"networking.k8s.io/v1/IngressClass": {false, func() Object { return &networkingv1.IngressClass{} }},
	"v1/Node":                           {false, func() Object { return &corev1.Node{} }},
	"v1/Namespace":                      {false, func() Object { return &corev1.Namespace{} }},
	"v1/Secret":                         {true, func() Object { return &corev1.Secret{} }},
	"discovery.k8s.io/v1/EndpointSlice": {true, func() Object { return &discoveryv1.EndpointSlice{} }},
}

// outdated says whether a kind is ours in an API version that no API server has any more.
func outdated(apiVersion, kind string) bool {
	group, _, _ := strings.Cut(apiVersion, "/")
	return (group == "extensions" || group == "networking.k8s.io") && (kind == "Ingress" || kind == "IngressClass")
}

// manifestFiles lists the manifests of a folder and its subfolders, sorted, as paths
// relative to it. Hidden files and folders are passed over, and so are editors' backups.
func manifestFiles(folder string) ([]string, error) {
	var out []string
	root, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return nil, fmt.Errorf("folder %s: %w", folder, err)
	}
	err = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("folder %s: %w", folder, err)
		}
		hidden := strings.HasPrefix(d.Name(), ".") && path != root
		if d.IsDir() {
			if hidden {
				return filepath.SkipDir
			}
			return nil
		}
		if !hidden && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path)) {
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			out = append(out, rel)
		}
		return nil
	})
	if err == nil {
		if info, e := os.Stat(root); e != nil || !info.IsDir() {
			err = errors.Join(fmt.Errorf("folder %s: is no folder", folder), e)
		}
	}
	return out, err
}

// readFile reads one file. What is none, such as a pipe or a link to a device,
// would never end.
func readFile(folder, file string) ([]byte, error) {
	path := filepath.Join(folder, file)
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: is no regular file, but %s", file, info.Mode().Type())
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was read only
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s: has more than the %d bytes that a manifest may have", file, maxFile)
	}
	return data, err
}

// parseFile reads all objects of a file, or none of them. The error names file,
// document and line of everything that is wrong.
func parseFile(file string, data []byte) ([]Manifest, error) {
	var out []Manifest
	var errs []error
	parse := parseDocument
	if json.Valid(data) { // saves what YAML costs, about ten times as much
		parse = parseObject
	}
	for i, d := range documents(data) {
		found, err := parse(d.text)
		if err != nil {
			line, msg := d.place(err)
			errs = append(errs, fmt.Errorf("%s:%d: document %d: %s", file, line, i+1, msg))
			continue
		}
		for _, m := range found {
			m.File, m.Line = file, d.line
			out = append(out, m)
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return out, nil
}

type document struct {
	text  []byte
	begin int // lines of the file before it
	line  int // of its first line that is neither blank nor a comment
}

// documents splits at lines "---". Documents of blanks and comments are left out.
func documents(data []byte) []document {
	var out []document
	var d document
	n := 0
	flush := func() {
		if d.line > 0 {
			out = append(out, d)
		}
		d = document{begin: n}
	}
	for line := range bytes.Lines(data) {
		trimmed := bytes.TrimSpace(line)
		if bytes.HasPrefix(line, []byte("---")) && (len(trimmed) == 3 || line[3] == ' ' || line[3] == '\t') {
			flush()
			line = append([]byte("   "), line[3:]...)
			trimmed = bytes.TrimSpace(line)
		}
		n++
		if d.line == 0 && len(trimmed) > 0 && trimmed[0] != '#' && string(trimmed) != "..." {
			d.line = n
		}
		d.text = append(d.text, line...)
	}
	flush()
	return out
}

var yamlLine = regexp.MustCompile(`line (\d+): `)

// place takes the line out of a parser's message and makes it one of the file;
// without one it is that of the document.
func (d document) place(err error) (int, string) {
	msg := strings.TrimPrefix(err.Error(), "error converting YAML to JSON: ")
	msg = strings.TrimPrefix(strings.TrimPrefix(msg, "yaml: "), "unmarshal errors:\n  ")
	m := yamlLine.FindStringSubmatchIndex(msg)
	if m == nil {
		return d.line, msg
	}
	n, convErr := strconv.Atoi(msg[m[2]:m[3]])
	if convErr != nil {
		return d.line, msg
	}
	return d.begin + n, msg[:m[0]] + msg[m[1]:]
}

func parseDocument(text []byte) ([]Manifest, error) {
	data, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, err
	}
	return parseObject(data)
}

func parseObject(data []byte) ([]Manifest, error) {
	var head metav1.TypeMeta
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("is no Kubernetes object: %w", err)
	}
	if head.Kind == "" || head.APIVersion == "" {
		return nil, errors.New("is no Kubernetes object: apiVersion and kind must be set")
	}
	if head.APIVersion == "v1" && head.Kind == "List" {
		return parseList(data)
	}
	k, known := manifestKinds[head.APIVersion+"/"+head.Kind]
	if !known {
		if outdated(head.APIVersion, head.Kind) {
			return nil, fmt.Errorf("%s of %s is not understood: use networking.k8s.io/v1", head.Kind, head.APIVersion)
		}
		return nil, nil
	}
	o := k.make()
	// As an API server decodes: field names by their case, none that is unknown.
	strict, err := kjson.UnmarshalStrict(data, o)
	if err = errors.Join(append(strict, err)...); err != nil {
		return nil, fmt.Errorf("%s: %w", head.Kind, err)
	}
	return complete(head.Kind, k.namespaced, o)
}

func parseList(data []byte) (out []Manifest, err error) {
	var list struct {
		Items []json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("List: %w", err)
	}
	for i, item := range list.Items {
		found, err := parseObject(item)
		if err != nil {
			return nil, fmt.Errorf("items[%d]: %w", i, err)
		}
		out = append(out, found...)
	}
	return out, nil
}

// complete does what an API server does on create, as far as it is needed here:
// the namespace "default", a UID (of the name, so that it stays), the label with
// a namespace's name, and the data of a Secret.
func complete(kind string, namespaced bool, o Object) ([]Manifest, error) {
	if o.GetName() == "" {
		return nil, fmt.Errorf("%s: metadata.name is empty", kind)
	}
	for _, part := range []string{o.GetName(), o.GetNamespace()} {
		if len(part) > 253 || strings.ContainsFunc(part, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '.'
		}) {
			return nil, fmt.Errorf("%s: metadata: %q is no name: small letters, digits, '-' and '.' are allowed, at most 253", kind, part)
		}
	}
	if !namespaced {
		o.SetNamespace("")
	} else if o.GetNamespace() == "" {
		o.SetNamespace(metav1.NamespaceDefault)
	}
	if o.GetUID() == "" {
		sum := sha256.Sum256([]byte(kind + "/" + o.GetNamespace() + "/" + o.GetName()))
		o.SetUID(types.UID("manifest-" + hex.EncodeToString(sum[:16])))
	}
	if kind == "Namespace" {
		labels := map[string]string{corev1.LabelMetadataName: o.GetName()}
		for k, v := range o.GetLabels() {
			labels[k] = v
		}
		o.SetLabels(labels)
	}
	if secret, ok := o.(*corev1.Secret); ok {
		completeSecret(secret)
	}
	return []Manifest{{Kind: kind, Object: o}}, nil
}

// completeSecret gives a Secret its type, and its data what is written as text.
func completeSecret(s *corev1.Secret) {
	s.Type = cmp.Or(s.Type, corev1.SecretTypeOpaque)
	for name, text := range s.StringData {
		if s.Data == nil {
			s.Data = map[string][]byte{}
		}
		s.Data[name] = []byte(text)
	}
	s.StringData = nil
}
