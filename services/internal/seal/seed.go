package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ReadSeed is the seed of a receiver in a file, and its public key. With
// generate it is made if the file is not there, for its owner only.
func ReadSeed(path string, generate bool) (seed []byte, public string, err error) {
	fail := func(err error) ([]byte, string, error) { return nil, "", fmt.Errorf("seed file %q: %w", path, err) }
	seed, err = os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && generate {
		if err := generateSeed(path); err != nil {
			return fail(err)
		}
		seed, err = os.ReadFile(path)
	}
	if err != nil {
		return fail(err)
	}
	seed = bytes.TrimSpace(seed)
	if public, err = Public(seed); err != nil {
		return fail(err)
	}
	return seed, public, nil
}

// generateSeed writes a seed. Of several that do so at once one wins, and the
// file is never seen half written.
func generateSeed(path string) error {
	seed, _, err := NewKey()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".seed-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // its other name is the one that counts
	_, err = f.Write(append(seed, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
