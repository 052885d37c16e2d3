package journal

import (
	"context"
	"slices"
	"unicode/utf8"

	"github.com/dprun/dprun/runner/event"
)

const (
	maxLine  = 4 << 10 // bytes of a line that are kept
	maxLines = 1000    // of a task that are kept: the last
)

// AppendLog enters lines of output. Of a task (and of a run itself) the last
// thousand are kept, and of a line the first 4 KiB.
func (j *Journal) AppendLog(ctx context.Context, lines ...event.Log) error {
	if len(lines) == 0 {
		return nil
	}
	return j.write(ctx, "enter output", func(t *transaction) error {
		for _, l := range lines {
			var seq int64
			if err := t.row(insertLog, l.Run, l.Task, stamp(l.Time), l.Stream, cut(l.Text)).Scan(&seq); err != nil {
				return err
			}
			if seq <= maxLines {
				continue
			}
			if _, err := t.exec("DELETE FROM logs WHERE run = ? AND task = ? AND seq <= ?", l.Run, l.Task, seq-maxLines); err != nil {
				return err
			}
		}
		return nil
	})
}

const insertLog = `INSERT INTO logs (run, task, seq, time, stream, text)
	SELECT ?1, ?2, coalesce(max(seq), 0) + 1, ?3, ?4, ?5 FROM logs WHERE run = ?1 AND task = ?2 RETURNING seq`

// cut shortens a line at a character's border.
func cut(text string) string {
	if len(text) <= maxLine {
		return text
	}
	n := maxLine
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + " …"
}

// Logs are the last lines of output of a task, or with an empty task of the
// run itself, in their order. A limit of 0 is all that is kept.
func (j *Journal) Logs(ctx context.Context, run, task string, limit int) ([]event.Log, error) {
	if limit <= 0 {
		limit = -1
	}
	lines, err := list(ctx, j, "read the output of task "+task, func(s scanner) (l event.Log, err error) {
		return l, s.Scan(&l.Run, &l.Task, moment{&l.Time}, &l.Stream, &l.Text)
	}, selectLogs, run, task, limit)
	slices.Reverse(lines)
	return lines, err
}

const selectLogs = "SELECT run, task, time, stream, text FROM logs WHERE run = ? AND task = ? ORDER BY seq DESC LIMIT ?"
