package archive

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"strings"
)

const (
	maxText    = 512 // of a value of export-details
	maxDomains = 10_000
)

// listed is one file element of export.xml. The archive holds the file under
// Src.
type listed struct {
	name, src string
	hash      string // base64; empty: none
	missing   bool   // the device did not have the file
	key       bool   // a key, certificate or secret, which is withheld
}

// list reads an export.xml as it arrives. It passes files on one by one, so that a long list needs no memory
// here.
type list struct {
	scan    scanner
	file    func(listed)
	object  func(*node) error // receives each object of the configuration; nil: objects are dropped
	tree    tree
	device  Device
	details bool   // export-details were seen
	domain  string // from export-details, otherwise from the configuration
	config  string // the domain of the configuration
	made    string
	domains []string // of a backup
	filed   bool     // a list of files was seen
	files   int

	section string // the open child of the root
	value   []byte // text of the open element of export-details
	reading bool
	domFull bool
	date    string
}

func newList(file func(listed)) *list {
	l := &list{file: file}
	l.scan = scanner{open: l.open, text: l.text, close: l.close}
	return l
}

func (l *list) write(p []byte) error { return l.scan.write(p) }

func (l *list) finish() error {
	if err := l.scan.finish(); err != nil {
		return err
	}
	if l.domFull {
		return fmt.Errorf("it names more than %d domains", maxDomains)
	}
	l.domain = cmp.Or(l.domain, l.config)
	return nil
}

func (l *list) open(depth int, name, attrs []byte) error {
	switch depth {
	case 1:
		if string(name) != "datapower-configuration" {
			return fmt.Errorf("its root element is %q, not datapower-configuration", Printable(string(name)))
		}
	case 2:
		switch string(name) {
		case "export-details", "files", "domains":
			l.section = string(name)
			l.details = l.details || l.section == "export-details"
			l.filed = l.filed || l.section == "files"
		case "configuration":
			l.section = string(name)
			return attributes(attrs, func(n, v []byte) {
				if string(n) == "domain" && l.config == "" && len(v) <= maxText {
					l.config = unescape(v)
				}
			})
		default:
			l.section = ""
		}
	case 3:
		switch {
		case l.section == "export-details":
			l.value, l.reading = l.value[:0], true
		case l.section == "files" && string(name) == "file":
			return l.addFile(attrs)
		case l.section == "domains" && string(name) == "domain":
			return attributes(attrs, func(n, v []byte) {
				if string(n) != "name" {
					return
				}
				if len(l.domains) == maxDomains {
					l.domFull = true
					return
				}
				l.domains = append(l.domains, unescape(v))
			})
		}
	}
	if depth >= 3 && l.inObject() {
		return l.tree.open(name, attrs)
	}
	return nil
}

func (l *list) inObject() bool { return l.object != nil && l.section == "configuration" }

func (l *list) addFile(attrs []byte) error {
	var f listed
	err := attributes(attrs, func(n, v []byte) {
		switch string(n) {
		case "name":
			f.name = unescape(v)
		case "src":
			f.src = unescape(v)
		case "hash":
			f.hash = strings.TrimSpace(string(v))
		case "missing":
			f.missing = string(v) == "true"
		case "key":
			f.key = string(v) == "true"
		}
	})
	if err != nil {
		return err
	}
	if f.src == "" && f.name == "" {
		return errors.New("a listed file has no name")
	}
	l.files++
	l.file(f)
	return nil
}

func (l *list) text(p []byte) {
	if l.inObject() {
		l.tree.add(p)
		return
	}
	if l.reading && len(l.value) < maxText {
		l.value = append(l.value, p[:min(len(p), maxText-len(l.value))]...)
	}
}

func (l *list) close(depth int, name []byte) error {
	if depth >= 3 && l.inObject() {
		done, err := l.tree.close()
		if done != nil {
			err = l.object(done)
		}
		return err
	}
	if depth == 2 {
		l.section = ""
	}
	if depth != 3 || !l.reading {
		return nil
	}
	l.reading = false
	raw := unescape(bytes.TrimSpace(l.value))
	v := Printable(raw)
	switch string(name) {
	case "device-name":
		l.device.Name = v
	case "serial-number":
		l.device.Serial = v
	case "product":
		l.device.Product = v
	case "model":
		l.device.Model = v
	case "firmware-version":
		l.device.Firmware = v
	case "firmware-build":
		l.device.Build = v
	case "domain":
		l.domain = raw
	case "current-date":
		l.date = v
	case "current-time":
		l.made = strings.TrimSpace(l.date + " " + v)
	}
	return nil
}
