package dpsim

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// WriteReady writes the ready file in one step: whoever sees it sees all of
// it. It holds passwords, so only the owner can read it.
func (f *Fleet) WriteReady(path string) error {
	text, err := json.MarshalIndent(f.ready, "", "  ")
	if err != nil {
		return fmt.Errorf("write the ready file: %w", err)
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".dpsim-ready-*")
	if err != nil {
		return fmt.Errorf("write the ready file: %w", err)
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(append(text, '\n'))
	if cerr := temp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write the ready file: %w", err)
	}
	return nil
}
