package nfs

import (
	"bufio"
	"errors"
	"io"
	"strconv"
	"strings"
)

// coveringType returns the file system type of the mount that dir, a real
// absolute path, is on. table is in the form of /proc/self/mountinfo.
func coveringType(table io.Reader, dir string) (string, error) {
	best, kind := -1, ""
	lines := bufio.NewScanner(table)
	lines.Buffer(nil, 1<<20) // overlay mounts have long options
	for lines.Scan() {
		point, fsType, ok := parseMount(lines.Text())
		// Of mounts on one point, the last one in the table is on top.
		if ok && covers(point, dir) && len(point) >= best {
			best, kind = len(point), fsType
		}
	}
	if err := lines.Err(); err != nil {
		return "", err
	}
	if best < 0 {
		return "", errors.New("the table of mounts has no line for it")
	}
	return kind, nil
}

// parseMount reads one line: ID, parent, device, root, mount point, options,
// any number of tags, "-", type, source, options.
func parseMount(line string) (point, fsType string, ok bool) {
	head, rest, found := strings.Cut(line, " - ")
	fields := strings.Fields(head)
	types := strings.Fields(rest)
	if !found || len(fields) < 6 || len(types) == 0 {
		return "", "", false
	}
	return unescape(fields[4]), types[0], true
}

func covers(point, dir string) bool {
	return point == "/" || dir == point || strings.HasPrefix(dir, point+"/")
}

// unescape undoes the octal escapes of spaces and the like.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
