package datapower

import (
	"context"
	"fmt"
	"path"
	"strconv"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/plugins/datapower/soma"
	"github.com/dprun/dprun/sdk"
)

// throttle holds the gateway's own throttle settings, in percent; 0: no limit.
type throttle struct {
	memory    int // below this, free memory makes it turn traffic away
	temporary int // below this, free temporary space makes it turn traffic away, and then restart if that does not help
}

// throttleOf reads a Throttler object.
func throttleOf(n *soma.Node) (t throttle, err error) {
	percent := func(field string) int {
		v, bad := strconv.Atoi(n.Value(field))
		if bad != nil || v < 0 || v > 100 {
			err = &soma.Error{Op: "get-config Throttler", Domain: defaultDomain, Class: soma.BadReply, Text: "the throttle settings have no " + field}
		}
		return v
	}
	t.memory = max(percent("ThrottleAt"), percent("TerminateAt"))
	t.temporary = max(percent("TempFSThrottleAt"), percent("TempFSTerminateAt"))
	return t, err
}

// throttle reads the throttle settings. Every gateway has them.
func (s *source) throttle(ctx context.Context) (throttle, error) {
	nodes, err := again(func() ([]*soma.Node, error) { return s.client.GetConfig(ctx, defaultDomain, "Throttler", "") })
	if err == nil && len(nodes) == 0 {
		err = &soma.Error{Op: "get-config Throttler", Domain: defaultDomain, Class: soma.BadReply, Text: "the reply holds no throttle settings"}
	}
	if err != nil {
		return throttle{}, err
	}
	return throttleOf(nodes[0])
}

// room reads how much room the gateway has and how much of it must stay free. If room is short, it also reads
// what dprun has left there.
func (s *source) room(ctx context.Context, r sdk.CheckRequest, domains *soma.Domains, out *sdk.CheckReport) (t throttle, err error) {
	if out.Space, err = s.space(ctx); err != nil {
		f := s.failed(err, "check: read its file systems")
		if !answered(err) {
			return t, f
		}
		out.Warnings = append(out.Warnings, "it could not be checked whether the gateway has room: "+f.Error())
		return t, nil
	}
	if t, err = s.throttle(ctx); err != nil {
		f := s.failed(err, "check: read its throttle settings")
		if !answered(err) {
			return t, f
		}
		out.Warnings = append(out.Warnings, "it could not be checked whether the gateway has a limit for its temporary space: "+f.Error())
		return throttle{}, nil
	}
	if t.temporary > 0 {
		out.KeepTemporary = (max(out.Space.TotalTemporary, 0)*int64(t.temporary) + 99) / 100
		if r.LastSize == 0 {
			if out.Estimate, err = s.estimate(ctx, r.Target, domains); err != nil {
				return t, s.failed(err, "check: read how much room the backup may take, as the gateway has a limit for its temporary space")
			}
		}
	}
	if short(out, max(out.Estimate, r.LastSize*3/2)) {
		return t, s.leftovers(ctx, out)
	}
	return t, nil
}

// short reports whether the free space is less than twice the need, or less than a twentieth of the
// total.
func short(r *sdk.CheckReport, need int64) bool {
	tight := func(free, total int64) bool { return free >= 0 && free-r.KeepTemporary < max(2*need, total/20) }
	return tight(r.Space.FreeTemporary, r.Space.TotalTemporary) || r.Space.FreeInternal >= 0 && r.Space.FreeInternal < max(2*need, r.Space.TotalInternal/20)
}

// beside is the approximate size of a domain's archive without the files of local:, in bytes: configuration,
// schemas, IBM's files.
const beside = 2_000_000

// estimate returns the approximate size of the target's first backup: the files of its domains. It is read, with
// one request for each domain, only if the gateway has a limit that must not be crossed.
func (s *source) estimate(ctx context.Context, t sdk.Target, domains *soma.Domains) (int64, error) {
	sizes, err := overDomains(ctx, namesOf(domains, t), func(ctx context.Context, domain string) (int64, error) {
		files, _, err := s.client.Filestore(ctx, domain, "local:")
		size := int64(beside)
		for _, f := range files {
			size += max(f.Size, 0)
		}
		return size, err
	}, func(int64) bool { return false })
	var sum int64
	for _, size := range sizes {
		sum += size
	}
	return sum, err
}

// namesOf returns the domains of a target.
func namesOf(domains *soma.Domains, t sdk.Target) []string {
	if !t.Device() {
		return []string{t.Domain}
	}
	var names []string
	for _, d := range domains.Domains {
		names = append(names, d.Name)
	}
	return names
}

// These are the places where dprun, and the gateway on its behalf, leave files.
const (
	secureBackupDir = "temporary:///dprun-sb"
	exportFile      = "export:///export.zip" // left by a backup of domains
)

// leftovers lists the files that earlier backups have left on the gateway.
func (s *source) leftovers(ctx context.Context, out *sdk.CheckReport) error {
	for _, place := range []struct{ dir, file, by string }{
		{secureBackupDir, "", "an earlier secure backup"}, {"export:", path.Base(exportFile), "an earlier backup of domains"},
	} {
		files, err := s.filesIn(ctx, place.dir)
		if err != nil {
			f := s.failed(err, "check: list %s", place.dir)
			if !answered(err) {
				return f
			}
			out.Warnings = append(out.Warnings, "it could not be checked whether an earlier backup left files on the gateway: "+f.Error())
			continue
		}
		var size int64
		n := 0
		for _, f := range files {
			if place.file == "" || path.Base(f.Path) == place.file {
				n, size = n+1, size+max(f.Size, 0)
			}
		}
		switch {
		case n == 0:
		case place.file != "":
			out.Leftovers = append(out.Leftovers, fmt.Sprintf("%s (%.1f MB, of %s)", exportFile, float64(size)/1e6, place.by))
		default:
			out.Leftovers = append(out.Leftovers, fmt.Sprintf("%s (%d files, %.1f MB, of %s)", place.dir, n, float64(size)/1e6, place.by))
		}
	}
	for _, l := range out.Leftovers {
		out.Warnings = append(out.Warnings, "the gateway is short of room and still holds "+archive.Printable(l))
	}
	return nil
}
