package runner

import "github.com/dprun/dprun/runner/cipher"

// Keys say where the identities are that open what is stored encrypted.
type Keys struct {
	Files []string // as age-keygen and ssh-keygen make them
	// Ask asks a person for the passphrase of such a file; nil: nobody can be asked.
	Ask func(file string) ([]byte, error)
}

// read reads the identities; nil where none are given.
func (k Keys) read() (*cipher.Identities, error) {
	if len(k.Files) == 0 {
		return nil, nil
	}
	out, err := cipher.Read(k.Files, k.Ask)
	if err != nil {
		return nil, &Error{ExitUsage, err}
	}
	return out, nil
}
