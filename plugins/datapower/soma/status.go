package soma

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// status reads the rows of a status class. It always names a class: a request without one would return everything.
func (c *Client) status(ctx context.Context, domain, class string) (*reply, error) {
	r, err := c.read(ctx, "get-status "+class, domain, getStatus(class))
	if err != nil {
		return nil, err
	}
	return r, r.want("status")
}

func getStatus(class string) string { return `<dp:get-status class="` + class + `"/>` }

// ReadStatus reports only whether the device returns a status class. The rows may have any form.
func (c *Client) ReadStatus(ctx context.Context, domain, class string) error {
	if class == "" {
		return &Error{Op: "get-status", Class: BadRequest, Text: "the request names no class"}
	}
	_, err := c.status(ctx, domain, class)
	return err
}

// rows returns the rows of the class. A reply with rows of other classes only answers another
// question and is an error.
func (r *reply) rows(class string) ([]*Node, error) {
	var out []*Node
	for _, n := range r.nodes {
		if n.Name == class {
			out = append(out, n)
		}
	}
	if len(out) == 0 && len(r.nodes) > 0 {
		return nil, &Error{Op: r.op, Class: BadReply, Text: fmt.Sprintf("the reply is about %s, which was not asked for", printable(r.nodes[0].Name))}
	}
	return out, nil
}

// statusRows reads the rows of a status class.
func (c *Client) statusRows(ctx context.Context, domain, class string) ([]*Node, *reply, error) {
	r, err := c.status(ctx, domain, class)
	if err != nil {
		return nil, nil, err
	}
	rows, err := r.rows(class)
	return rows, r, err
}

// oneRow reads a status class that has exactly one row.
func (c *Client) oneRow(ctx context.Context, class string) (*Node, error) {
	rows, r, err := c.statusRows(ctx, "default", class)
	if err == nil && len(rows) == 0 {
		err = &Error{Op: r.op, Class: BadReply, Text: "the reply holds no row"}
	}
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// Domain is a row of DomainStatus.
type Domain struct {
	Name           string
	SaveNeeded     bool
	CurrentCommand string // what is running in the domain; empty: nothing
	QuiesceState   string // the device's word; empty: idle
	QuiesceTold    bool   // whether the row has a quiesce state at all
	InterfaceState string // newer firmware only
	FailsafeMode   string // newer firmware only
}

// Domains is the state of all domains, with the device's clock. Callers who asked at one moment share it, so it must not be changed.
type Domains struct {
	Domains []Domain
	Time    time.Time
}

const domainStatus = "DomainStatus"

// DomainStatus reads the state of every domain. A reply without a row is an error, because every device has a domain.
func (c *Client) DomainStatus(ctx context.Context) (*Domains, error) {
	const op, domain = "get-status " + domainStatus, "default"
	body := getStatus(domainStatus)
	return share(ctx, c, c.domains, op, domain, body, func(ctx context.Context) (*Domains, error) {
		r, out := &reply{op: op}, &Domains{}
		err := c.exchange(ctx, op, domain, messageOf(domain, body), func(in io.Reader) (err error) {
			out.Domains, err = c.domainRows.read(r, in, c.config.MaxReply)
			return err
		})
		if err == nil && len(out.Domains) == 0 {
			err = &Error{Op: op, Domain: domain, Class: BadReply, Text: "the reply lists no domain, but every device has one"}
		}
		if err != nil {
			return nil, err
		}
		out.Time = r.time()
		return out, nil
	})
}

func domainOf(n *Node) (Domain, string) {
	d := Domain{
		Name:           n.Value("Domain"),
		SaveNeeded:     n.On("SaveNeeded"),
		CurrentCommand: n.Value("CurrentCommand"),
		QuiesceState:   n.Value("QuiesceState"),
		QuiesceTold:    n.Child("QuiesceState") != nil,
		InterfaceState: n.Value("InterfaceState"),
		FailsafeMode:   n.Value("FailsafeMode"),
	}
	if d.Name == "" {
		return d, "a row of the reply names no domain"
	}
	return d, ""
}

// Filesystem is the room on the device, in bytes; -1: not told.
type Filesystem struct {
	FreeTemporary, TotalTemporary int64
	FreeInternal, TotalInternal   int64
	FreeEncrypted, TotalEncrypted int64
}

// FilesystemStatus reads how much room the device has. The device counts in megabytes; the smaller of the two meanings is assumed.
func (c *Client) FilesystemStatus(ctx context.Context) (*Filesystem, error) {
	row, err := c.oneRow(ctx, "FilesystemStatus")
	if err != nil {
		return nil, err
	}
	mb := func(name string) int64 {
		v, err := strconv.ParseInt(row.Value(name), 10, 64)
		if err != nil || v < 0 || v > 1<<40 {
			return -1
		}
		return v * 1_000_000
	}
	return &Filesystem{
		FreeTemporary: mb("FreeTemporary"), TotalTemporary: mb("TotalTemporary"),
		FreeInternal: mb("FreeInternal"), TotalInternal: mb("TotalInternal"),
		FreeEncrypted: mb("FreeEncrypted"), TotalEncrypted: mb("TotalEncrypted"),
	}, nil
}

// Firmware is a row of FirmwareVersion in one of its three forms.
type Firmware struct {
	Serial, Version, Build, BuildDate, DeliveryType, MachineType, ModelType string
}

// Firmware reads what the device is and which firmware it runs. It asks for the newest form of the status and,
// while the device does not know it, for older ones: with three requests at most.
func (c *Client) Firmware(ctx context.Context) (*Firmware, error) {
	var first error
	for _, class := range []string{"FirmwareVersion3", "FirmwareVersion2", "FirmwareVersion"} {
		n, err := c.oneRow(ctx, class)
		if err == nil {
			return &Firmware{
				Serial: n.Value("Serial"), Version: n.Value("Version"), Build: n.Value("Build"), BuildDate: n.Value("BuildDate"),
				DeliveryType: n.Value("DeliveryType"), MachineType: n.Value("MachineType"), ModelType: n.Value("ModelType"),
			}, nil
		}
		if first == nil {
			first = err
		}
		switch ClassOf(err) {
		case Result, Fault, HTTPStatus, BadReply, Refused:
		default:
			return nil, err
		}
	}
	return nil, first
}

// Object is a row of ObjectStatus.
type Object struct {
	Class, Name, OpState, AdminState, ConfigState, EventCode, ErrorCode string
}

// Up reports whether the object is up.
func (o Object) Up() bool { return o.OpState == "up" }

// ObjectStatus reads the state of every object of a domain.
func (c *Client) ObjectStatus(ctx context.Context, domain string) ([]Object, error) {
	rows, _, err := c.statusRows(ctx, domain, "ObjectStatus")
	if err != nil {
		return nil, err
	}
	var out []Object
	for _, n := range rows {
		out = append(out, Object{
			Class: n.Value("Class"), Name: n.Value("Name"), OpState: n.Value("OpState"), AdminState: n.Value("AdminState"),
			ConfigState: n.Value("ConfigState"), EventCode: n.Value("EventCode"), ErrorCode: n.Value("ErrorCode"),
		})
	}
	return out, nil
}

// Checkpoints returns the names of a domain's configuration checkpoints.
func (c *Client) Checkpoints(ctx context.Context, domain string) ([]string, error) {
	rows, _, err := c.statusRows(ctx, domain, "DomainCheckpointStatus")
	var out []string
	for _, n := range rows {
		out = append(out, n.Value("ChkName"))
	}
	return out, err
}

// GetConfig reads the objects of a class in a domain; with a name, only that one. If there is no such object it returns no nodes.
func (c *Client) GetConfig(ctx context.Context, domain, class, name string) ([]*Node, error) {
	body := `<dp:get-config class="` + escape(class) + `"`
	if name != "" {
		body += ` name="` + escape(name) + `"`
	}
	r, err := c.read(ctx, "get-config "+class, domain, body+"/>")
	if err != nil {
		return nil, err
	}
	if err := r.want("config"); err != nil {
		return nil, err
	}
	return r.rows(class)
}

// noClass is a name that no class has.
const noClass = "DprunAsksForNoClass"

// KnowsNot reports whether err, an error of reading a status or configuration class, is the device's answer for a
// class that it does not know. It does not rely on the device's words: it asks for a class that does not exist
// and compares the answers.
func (c *Client) KnowsNot(ctx context.Context, err error) bool {
	var e, none *Error
	if !errors.As(err, &e) || e.Class != Result && e.Class != Fault {
		return false
	}
	kind, class, ok := strings.Cut(e.Op, " ")
	if !ok || kind != "get-status" && kind != "get-config" {
		return false
	}
	_, err = c.read(ctx, kind+" "+noClass, e.Domain, `<dp:`+kind+` class="`+noClass+`"/>`)
	return errors.As(err, &none) && none.Class == e.Class && none.Text == strings.ReplaceAll(e.Text, class, noClass)
}

// percent reads a percentage of the only row of a status class.
func (c *Client) percent(ctx context.Context, class, field string) (int, error) {
	row, err := c.oneRow(ctx, class)
	if err != nil {
		return -1, err
	}
	v, err := strconv.Atoi(row.Value(field))
	if err != nil || v < 0 {
		return -1, &Error{Op: "get-status " + class, Domain: "default", Class: BadReply, Text: "the row of the reply has no " + field}
	}
	return v, nil
}

// CPU reads how busy the processors were over the last minute, in percent.
func (c *Client) CPU(ctx context.Context) (int, error) {
	return c.percent(ctx, "CPUUsage", "oneMinute")
}

// Memory reads how much of the memory is used, in percent.
func (c *Client) Memory(ctx context.Context) (int, error) {
	return c.percent(ctx, "MemoryStatus", "Usage")
}

// SystemLoad reads how much of its capacity the device uses, in percent.
func (c *Client) SystemLoad(ctx context.Context) (int, error) {
	return c.percent(ctx, "SystemUsage", "Load")
}

// User is a row of ActiveUsers: a person or program that is logged in.
type User struct {
	Name, Connection, Address, Login, Domain string
}

// ActiveUsers reads who is logged in.
func (c *Client) ActiveUsers(ctx context.Context) ([]User, error) {
	return rowsOf(ctx, c, "default", "ActiveUsers", func(n *Node) User {
		return User{Name: n.Value("name"), Connection: n.Value("connection"), Address: n.Value("address"), Login: n.Value("login"), Domain: n.Value("domain")}
	})
}
