package state

import "strings"

// networkMagic names the file systems that other machines can write at the same time,
// by the f_type that statfs returns on Linux.
func networkMagic(magic uint32) string {
	switch magic {
	case 0x6969:
		return "NFS"
	case 0x517b:
		return "SMB"
	case 0xff534d42:
		return "CIFS"
	case 0xfe534d42:
		return "SMB2"
	case 0x564c:
		return "NCP"
	case 0x5346414f, 0x6b414653:
		return "AFS"
	case 0x73757245:
		return "Coda"
	case 0x00c36400:
		return "Ceph"
	case 0x0bd00bd0:
		return "Lustre"
	case 0x47504653:
		return "GPFS"
	case 0x7461636f:
		return "OCFS2"
	case 0x01161970:
		return "GFS2"
	case 0x19830326:
		return "BeeGFS"
	case 0x01021997:
		return "9P"
	}
	return ""
}

// fuseMagic is FUSE's f_type. Only the type of the mount tells what is behind it.
const fuseMagic = 0x65735546

// networkFUSE names the FUSE file systems that keep their data on other machines, by
// the mount's type ("fuse.sshfs").
func networkFUSE(mountType string) string {
	switch name := strings.TrimPrefix(mountType, "fuse."); name {
	case "sshfs", "glusterfs", "ceph", "ceph-fuse", "s3fs", "rclone", "gcsfuse", "goofys", "mount-s3", "davfs", "curlftpfs", "juicefs", "moosefs", "mfs", "seaweedfs", "blobfuse", "blobfuse2", "nfs", "fuse-nfs":
		return name
	}
	return ""
}

// mountType returns the type of the mount of a device ("8:1") in the text of
// /proc/self/mountinfo; empty: it is not there.
func mountType(mountinfo, device string) string {
	for line := range strings.Lines(mountinfo) {
		before, after, found := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if !found || len(fields) < 3 || fields[2] != device {
			continue
		}
		if types := strings.Fields(after); len(types) > 0 {
			return types[0]
		}
	}
	return ""
}
