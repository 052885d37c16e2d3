package soma

import (
	"context"
	"path"
	"strconv"
	"strings"
)

// StoredFile is a file on the device.
type StoredFile struct {
	Path     string // with its store, as "temporary:///dir/file"
	Size     int64  // bytes
	Modified string // in the device's zone, as "2020-02-10 05:51:47"
}

// Filestore lists every file of a store of a domain, for example of "temporary:", and its directories.
func (c *Client) Filestore(ctx context.Context, domain, store string) (files []StoredFile, directories []string, err error) {
	r, err := c.read(ctx, "get-filestore", domain, `<dp:get-filestore location="`+escape(store)+`"/>`)
	if err != nil {
		return nil, nil, err
	}
	if err := r.want("filestore"); err != nil {
		return nil, nil, err
	}
	var walk func(n *Node)
	walk = func(n *Node) {
		for _, child := range n.Children {
			switch child.Name {
			case "directory":
				directories = append(directories, NormalizePath(child.Attrs["name"]))
				walk(child)
			case "file":
				size, err := strconv.ParseInt(child.Value("size"), 10, 64)
				if err != nil {
					size = -1
				}
				files = append(files, StoredFile{
					Path: NormalizePath(n.Attrs["name"] + "/" + child.Attrs["name"]), Size: size, Modified: child.Value("modified"),
				})
			}
		}
	}
	for _, location := range r.nodes {
		walk(location)
	}
	return files, directories, nil
}

// NormalizePath brings the ways in which the device writes a path, with one, two or three slashes after the store, into one:
// "store:///dir/file".
func NormalizePath(p string) string {
	store, rest, ok := strings.Cut(p, ":")
	if !ok {
		return p
	}
	return store + "://" + path.Clean("/"+rest)
}
