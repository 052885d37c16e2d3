package soma

import "time"

// SetPatience changes how long a read waits for the same one before it.
func SetPatience(c *Client, d time.Duration) { c.domains.patience = d }

// Waiting is how many callers wait for reads of the domains that are not sent yet.
func Waiting(c *Client) (n int) {
	c.domains.mu.Lock()
	defer c.domains.mu.Unlock()
	for _, f := range c.domains.waiting {
		n += f.callers
	}
	return n
}

// UnderWay is how many reads of the domains are sent and not answered.
func UnderWay(c *Client) int {
	c.domains.mu.Lock()
	defer c.domains.mu.Unlock()
	return len(c.domains.sent)
}
