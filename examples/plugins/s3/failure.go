package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"

	"github.com/minio/minio-go/v7"

	"github.com/dprun/dprun/sdk/failure"
)

// answer is the meaning of an error code of S3, or of one of the servers.
type answer struct {
	kind   failure.Kind
	reason failure.Reason
	remedy string
}

var (
	keys      = answer{failure.Denied, failure.BadCredentials, "correct `access_key`, `secret_key` and `session_token`"}
	wrongData = answer{failure.Corrupt, failure.Mismatch, "look at the network and the server's disk"}
	full      = answer{failure.NoSpace, failure.OutOfSpace, "make room at the server, or raise the quota"}
	name      = answer{failure.Precondition, failure.BadConfig, "change the destination's `path` or `prefix`"}
	region    = answer{failure.Precondition, failure.BadConfig, "correct `region`"}
	cannot    = answer{failure.Precondition, failure.Unsupported, "use another server, or a newer version of this one"}
	busy      = answer{failure.Unavailable, failure.Unreachable, ""}
	inTheWay  = answer{failure.Exists, failure.Occupied, "change the destination's `path`, or find out what it is before you move it away"}
)

var answers = map[string]answer{
	"InvalidAccessKeyId": keys, "SignatureDoesNotMatch": keys, "InvalidToken": keys, "ExpiredToken": keys, "XAdminUserNotFound": keys, // the last one is versitygw's, with HTTP 404
	"BadDigest": wrongData, "InvalidDigest": wrongData, "XAmzContentSHA256Mismatch": wrongData, "XAmzContentChecksumMismatch": wrongData, "IncompleteBody": busy,
	"InsufficientStorage": full, "XMinioStorageFull": full, "QuotaExceeded": full, "XMinioAdminBucketQuotaExceeded": full,
	"KeyTooLongError": name, "KeyTooLong": name, "InvalidURI": name, "XMinioInvalidObjectName": name, "InvalidObjectName": name,
	"ObjectParentIsFile": inTheWay, "ObjectExistsAsDirectory": inTheWay, "ExistingObjectIsDirectory": inTheWay, "ExistingObjectIsFile": inTheWay, "XMinioParentIsObject": inTheWay,
	"NotImplemented": cannot, "MethodNotAllowed": cannot,
	"AuthorizationHeaderMalformed": region, "PermanentRedirect": region, "InvalidRegion": region,
	"RequestTimeTooSkewed":       {failure.Precondition, "", "set the clocks of this machine and of the server"},
	"AccessDenied":               {failure.Denied, failure.NoAccess, "give the key the right to list the bucket, and to get, put and delete objects in it"},
	"EntityTooLarge":             {failure.Precondition, failure.Unsupported, "lower `multipart_above`"},
	"SlowDown":                   busy,
	"RequestTimeout":             busy,
	"OperationAborted":           busy,
	"ConditionalRequestConflict": busy,
	"NoSuchUpload":               {failure.Unavailable, "", "see whether a sweep or a rule of the bucket ended the upload"},
}

// explain turns an error of the client into a failure. If the os package has an error
// with the same meaning, explain returns that error, because the SDK knows what it means.
func explain(err error) error {
	if err == nil {
		return nil
	}
	if r, ok := errors.AsType[minio.ErrorResponse](err); ok {
		why := fmt.Errorf("%s (%s, HTTP %d)", r.Message, r.Code, r.StatusCode)
		a, known := answers[r.Code]
		switch {
		case known:
		case r.Code == "NoSuchBucket":
			a = answer{failure.NotFound, failure.NoDirectory, "make the bucket, or correct `bucket`"}
		case r.StatusCode == http.StatusNotFound:
			return fmt.Errorf("%w: %w", fs.ErrNotExist, why)
		case r.StatusCode == http.StatusPreconditionFailed:
			return fmt.Errorf("%w: %w", fs.ErrExist, why)
		case r.StatusCode == http.StatusForbidden || r.StatusCode == http.StatusUnauthorized:
			a = answers["AccessDenied"]
		case r.StatusCode == http.StatusTooManyRequests || r.StatusCode >= http.StatusInternalServerError:
			a = busy
		case r.StatusCode == 0: // the client refuses what it should send
			a = name
		default:
			a = answer{failure.Precondition, "", "see the server's log"}
		}
		return failure.New(a.kind, a.reason, "%w", why).WithRemedy("%s", a.remedy)
	}
	var (
		certificate *tls.CertificateVerificationError
		network     net.Error
		request     *url.Error
	)
	switch {
	case errors.As(err, &certificate):
		return failure.New(failure.Denied, failure.HostKey, "the server's certificate is not trusted: %w", certificate.Err).WithRemedy("set `ca_file`, or mend the server's certificate")
	case errors.As(err, &network) && network.Timeout():
		return failure.New(failure.Timeout, failure.Stalled, "%w", err)
	case errors.As(err, &request), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &network):
		return failure.New(failure.Unavailable, failure.Unreachable, "%w", err).WithRemedy("see that the server runs and `endpoint` is right")
	}
	return err
}
