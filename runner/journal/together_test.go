package journal

import (
	"database/sql"
	"path/filepath"
	"sync"
	"testing"
)

func TestManyMakeOneNewJournalAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for round := range 100 {
		path := filepath.Join(dir, string(rune('a'+round%26))+string(rune('a'+round/26)))
		begin := make(chan struct{})
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				db, err := sql.Open("sqlite", dsn(path, "immediate", "busy_timeout(10000)", "journal_mode(WAL)"))
				if err != nil {
					t.Error(err)
					return
				}
				defer db.Close()
				<-begin
				conn, err := firstConn(t.Context(), db, busyTimeout)
				if err != nil {
					t.Errorf("round %d: %v", round, err)
					return
				}
				conn.Close()
			})
		}
		close(begin)
		all.Wait()
	}
}
