package config

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Package is an export, read.
type Package struct {
	Details    string            // the inner text of export-details
	Domain     string            // that it is of
	Interfaces map[string]string // addresses of the gateway that made it, by interface
	Objects    []*Object
	Files      []File
	Domains    []string // of a backup: the domains in it
	archive    *zip.Reader
}

// File is a row of a package's list of files.
type File struct {
	Name, Source, Hash string // local:///a.xsl, local/a.xsl, base64 of its SHA-1
	Internal           bool   // part of the package itself
	Missing, Withheld  bool   // it was missing on the gateway; it may not be exported
	entry              *zip.File
}

// Open reads the file's content.
func (f File) Open() (io.ReadCloser, error) {
	if f.entry == nil {
		return nil, errors.New("the package lists the file and does not hold it")
	}
	return f.entry.Open()
}

// Held reports whether the package holds the file's content.
func (f File) Held() bool { return f.entry != nil && !f.Missing && !f.Withheld }

// Read reads an export in format ZIP.
func Read(r io.ReaderAt, size int64) (*Package, error) {
	archive, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("read the package: %w", err)
	}
	listed, err := archive.Open("export.xml")
	if err != nil {
		return nil, fmt.Errorf("read the package: %w", err)
	}
	defer listed.Close()
	text, err := io.ReadAll(listed)
	if err != nil {
		return nil, fmt.Errorf("read the package: %w", err)
	}
	p, err := ReadXML(text)
	if err != nil {
		return nil, err
	}
	p.archive = archive
	for i := range p.Files {
		for _, entry := range archive.File {
			if entry.Name == p.Files[i].Source {
				p.Files[i].entry = entry
			}
		}
	}
	return p, nil
}

// ReadXML reads an export in format XML: the list of contents alone.
func ReadXML(text []byte) (*Package, error) {
	var list struct {
		Details struct {
			Inner  string `xml:",innerxml"`
			Domain string `xml:"domain"`
		} `xml:"export-details"`
		Interfaces []struct {
			Name    string `xml:"name,attr"`
			Address string `xml:"ip-addr,attr"`
		} `xml:"interface-data>interface"`
		Configuration struct {
			Domain string `xml:"domain,attr"`
			Inner  []byte `xml:",innerxml"`
		} `xml:"configuration"`
		Files []struct {
			Name     string `xml:"name,attr"`
			Source   string `xml:"src,attr"`
			Hash     string `xml:"hash,attr"`
			Internal bool   `xml:"internal,attr"`
			Missing  bool   `xml:"missing,attr"`
			Key      bool   `xml:"key,attr"`
		} `xml:"files>file"`
		Domains []struct {
			Name string `xml:"name,attr"`
		} `xml:"domains>domain"`
	}
	if err := xml.NewDecoder(bytes.NewReader(text)).Decode(&list); err != nil {
		return nil, fmt.Errorf("read the package: %w", err)
	}
	objects, err := parseObjects(list.Configuration.Inner)
	if err != nil {
		return nil, err
	}
	p := &Package{Details: list.Details.Inner, Domain: list.Configuration.Domain, Interfaces: map[string]string{}, Objects: objects}
	if p.Domain == "" {
		p.Domain = list.Details.Domain
	}
	for _, i := range list.Interfaces {
		p.Interfaces[i.Name] = i.Address
	}
	for _, f := range list.Files {
		p.Files = append(p.Files, File{Name: f.Name, Source: f.Source, Hash: f.Hash, Internal: f.Internal, Missing: f.Missing, Withheld: f.Key})
	}
	for _, d := range list.Domains {
		p.Domains = append(p.Domains, d.Name)
	}
	return p, nil
}

// Nested is the export of one domain of a backup.
func (p *Package) Nested(domain string) (*Package, error) {
	entry, err := p.archive.Open(domain + ".zip")
	if err != nil {
		return nil, fmt.Errorf("read the package: %w", err)
	}
	defer entry.Close()
	content, err := io.ReadAll(entry)
	if err != nil {
		return nil, fmt.Errorf("read the package: %w", err)
	}
	return Read(bytes.NewReader(content), int64(len(content)))
}

// Store is the store of a file, and its path there without the first slashes.
func (f File) Store() (store, path string) {
	store, path, _ = strings.Cut(f.Name, ":")
	return store, strings.TrimLeft(path, "/")
}
