package sftp

import "testing"

func TestLocationNamesTheServer(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]Config{
		"sftp://vault/srv":       {Host: "vault", Port: 22, Directory: "/srv"},
		"sftp://vault:2222/srv":  {Host: "vault", Port: 2222, Directory: "/srv"},
		"sftp://[::1]/srv":       {Host: "::1", Port: 22, Directory: "/srv"},
		"sftp://[::1]:2222/~/in": {Host: "::1", Port: 2222, Directory: "in"},
	} {
		if got := c.location(c.Directory); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
