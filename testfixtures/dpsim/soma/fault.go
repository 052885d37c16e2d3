package soma

import (
	"archive/zip"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/dprun/dprun/testfixtures/dpsim/appliance"
)

// withFaults answers a request the way the faults that meet it want.
func (x *exchange) withFaults(req *request, faults []*appliance.Fault) (*reply, ending) {
	var change *appliance.Fault
	for _, f := range faults {
		switch f.Kind {
		case "latency":
			x.sleep(f.Wait())
		case "slow":
			x.pace.rate = f.BytesPerSecond()
		case "stall":
			x.pace.pause, x.pace.after = f.Wait(), f.AfterBytes()
		default:
			change = f
		}
	}
	if change == nil {
		return x.perform(req), complete
	}
	if answer, instead := x.instead(req, change); instead {
		return answer, complete
	}
	answer := x.perform(req)
	if answer == nil {
		return nil, complete
	}
	x.pace.after = change.AfterBytes()
	switch change.Kind {
	case "no_reply_but_done":
		return nil, complete
	case "close_body":
		return answer, closeMidBody
	case "hang_headers":
		return answer, hangAfterHeaders
	case "hang_body":
		return answer, hangMidBody
	case "no_rows":
		_, part, _ := strings.Cut(req.op.name, "-")
		return good(x.app.Now(), wrap("dp:"+part, "")), complete
	case "big_status":
		size := change.AfterBytes()
		if size == 0 {
			size = 16_000_000
		}
		answer.head = strings.Replace(answer.head, "</dp:status>", strings.Repeat("<a/>", int(size/4))+"</dp:status>", 1)
	case "truncated_base64":
		answer.served = nil
		if answer.blob != nil {
			answer.length = answer.length/2/4*4 + 2
		}
	case "corrupt_archive":
		answer.served = nil
		if answer.blob != nil {
			if err := answer.flip(entryByte(answer)); err != nil {
				return nil, complete
			}
		}
	}
	return answer, complete
}

// instead gives the answers for which the gateway does not do what it was
// asked to.
func (x *exchange) instead(req *request, f *appliance.Fault) (answer *reply, instead bool) {
	now := x.app.Now()
	name := ""
	if req.name == "get-file" {
		name = req.op.attrs["name"]
	}
	fileOf := func(content string) *reply {
		return good(now, "<dp:file"+nameAttr(name)+">"+content+"</dp:file>")
	}
	switch f.Kind {
	case "hang":
		x.hang()
		return nil, true
	case "close":
		return nil, true
	case "reboot":
		x.app.Reboot(x.ctx, f.Wait())
		return nil, true
	case "go_down":
		x.app.SetUp(false)
		return nil, true
	case "domain_vanishes":
		x.app.RemoveDomain(req.domains()[0])
		return nil, false
	case "garbage":
		return plain(200, "Good", f.TextOr("\x16\x03<html><body>It works!</body>\x00\xff<dp:file>")), true
	case "http_error":
		return soapFault(f.TextOr("Internal Error (from client)")), true
	case "error_log":
		return good(now, errorLog(x.app.Profile(), f.TextOr("Internal error"))), true
	case "auth_failure":
		x.app.CountFailedLogin()
		return loginRefused(), true
	case "refused":
		return good(now, result("Authentication failure")), true
	case "wrong_part":
		if req.op.name == "get-filestore" {
			return good(now, "<dp:status/>"), true
		}
		return good(now, "<dp:filestore/>"), true
	case "endless_file":
		return endless(now), true
	case "empty_file":
		return good(now, emptyFile(name)), true
	case "disk_full":
		if f.Text != "" {
			return good(now, result(f.Text)), true
		}
		return good(now, emptyFile(name)), true
	case "error_file":
		return fileOf("ERROR"), true
	case "error_result":
		return good(now, result(f.TextOr("ERROR"))), true
	case "not_base64":
		return fileOf(esc(f.TextOr("Non Base64 content! (*) not a file"))), true
	case "wrong_zip":
		return fileOf(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("This is a file, yet no archive. ", 40)))), true
	}
	return nil, false
}

// entryByte finds a byte inside the packed data of the archive's largest
// entry; the middle of anything that is no archive.
func entryByte(answer *reply) int64 {
	middle := answer.blob.Size / 2
	z, err := zip.NewReader(answer.blob, answer.blob.Size)
	if err != nil {
		return middle
	}
	var largest *zip.File
	for _, f := range z.File {
		if largest == nil || f.CompressedSize64 > largest.CompressedSize64 {
			largest = f
		}
	}
	if largest == nil {
		return middle
	}
	start, err := largest.DataOffset()
	if err != nil {
		return middle
	}
	return start + int64(largest.CompressedSize64/2)
}

// unknown answers for what is not simulated.
func unknown(what, name string) error {
	return &appliance.Refusal{Text: fmt.Sprintf("%s '%s' is not known", what, name), Log: true}
}
