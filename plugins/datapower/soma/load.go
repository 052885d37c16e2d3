package soma

import (
	"context"
	"strconv"
)

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

// User is a row of ActiveUsers: somebody, or something, that is logged in.
type User struct {
	Name, Connection, Address, Login, Domain string
}

// ActiveUsers reads who is logged in.
func (c *Client) ActiveUsers(ctx context.Context) ([]User, error) {
	return rowsOf(ctx, c, "default", "ActiveUsers", func(n *Node) User {
		return User{Name: n.Value("name"), Connection: n.Value("connection"), Address: n.Value("address"), Login: n.Value("login"), Domain: n.Value("domain")}
	})
}
