package soma

import "time"

// SetPatience changes how long a read waits for the same one before it.
func SetPatience(c *Client, d time.Duration) { c.reads.patience = d }

// Waiting is how many callers wait for reads that are not sent yet.
func Waiting(c *Client) (n int) {
	c.reads.mu.Lock()
	defer c.reads.mu.Unlock()
	for _, f := range c.reads.waiting {
		n += f.callers
	}
	return n
}

// UnderWay is how many reads are sent and not answered.
func UnderWay(c *Client) int {
	c.reads.mu.Lock()
	defer c.reads.mu.Unlock()
	return len(c.reads.sent)
}
