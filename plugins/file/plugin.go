package file

import (
	"context"
	"path/filepath"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/schema"
)

// Config is the configuration of a destination "file".
type Config struct {
	Directory       string `dprun:"directory,required" format:"path" doc:"The directory below which the files are stored. It must exist unless create_directory says otherwise: an unmounted disk is not written to by mistake."`
	CreateDirectory bool   `dprun:"create_directory" default:"false" doc:"Make the directory when it is missing."`
	RequireMode     bool   `dprun:"require_mode" default:"false" doc:"Store nothing where the file system does not keep the mode 0600. false: it is a warning."`
}

// Plugin offers the destination type "file".
func Plugin() sdk.Plugin {
	return sdk.Plugin{
		Name:    "file",
		Version: "1.0.0",
		Doc:     "Stores files in a directory of a local file system.",
		Destinations: []sdk.DestinationType{sdk.NewDestination(
			schema.DestinationType{Name: "file", Doc: "A directory of a local file system. Files are made for their owner only."},
			configure, validate)},
	}
}

func configure(_ context.Context, c Config, env sdk.Env) (*destination, error) {
	return newDestination(filepath.Clean(c.Directory), c.CreateDirectory, c.RequireMode, env.Log), nil
}

func validate(c Config, known func(...string) bool) []schema.Diagnostic {
	if known("directory") && !filepath.IsAbs(c.Directory) {
		return []schema.Diagnostic{{
			Severity: schema.SeverityError, Summary: "Relative directory", Path: []string{"directory"},
			Detail: "The directory must be an absolute path, not \"" + c.Directory + "\".",
		}}
	}
	return nil
}
