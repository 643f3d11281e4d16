// Command contract writes the contract of the bus for readers in other
// languages, from the Go types of package events: one JSON Schema (draft 07,
// which every AsyncAPI tool reads) for each payload, schemas/<payload>.json, and
// asyncapi.yaml (AsyncAPI 3.0), which says where each is found. go generate
// runs it; no product imports it.
package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

func main() {
	if err := write("."); err != nil {
		fmt.Fprintln(os.Stderr, "contract:", err)
		os.Exit(1)
	}
}

// write generates the files anew in dir, the folder of package events.
func write(dir string) error {
	all, err := files(dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "schemas"), 0o750); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if err := os.WriteFile(filepath.Join(dir, name), all[name], 0o600); err != nil {
			return err
		}
	}
	return nil
}

// files returns the content of every generated file by its name below dir,
// the folder that holds the source of package events.
func files(dir string) (map[string][]byte, error) {
	src, err := readSource(dir)
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for _, p := range payloads {
		b, err := payloadSchema(p, src)
		if err != nil {
			return nil, fmt.Errorf("schema of %s: %w", p.name, err)
		}
		out["schemas/"+p.name+".json"] = b
	}
	out["asyncapi.yaml"], err = asyncAPI(src)
	if err != nil {
		return nil, fmt.Errorf("asyncapi.yaml: %w", err)
	}
	return out, nil
}
