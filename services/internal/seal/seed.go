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
	fresh := func() ([]byte, error) {
		seed, _, err := NewKey()
		return seed, err
	}
	if !generate {
		fresh = nil
	}
	seed, err = SeedFile(path, fresh)
	if err == nil {
		public, err = Public(seed)
	}
	if err != nil {
		return nil, "", fmt.Errorf("seed file %q: %w", path, err)
	}
	return seed, public, nil
}

// SeedFile is the seed in a file, of whatever kind, without the blanks around
// it. If the file is not there, it is written with a fresh one that only the
// owner may read; fresh nil: it must be there.
func SeedFile(path string, fresh func() ([]byte, error)) ([]byte, error) {
	seed, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && fresh != nil {
		if err := writeSeed(path, fresh); err != nil {
			return nil, err
		}
		seed, err = os.ReadFile(path)
	}
	return bytes.TrimSpace(seed), err
}

// writeSeed writes a seed. Of several that do so at once one wins, and the file
// is never seen half written.
func writeSeed(path string, fresh func() ([]byte, error)) error {
	seed, err := fresh()
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
