package journal

import (
	"context"
	"slices"
	"unicode/utf8"

	"github.com/dprun/dprun/runner/event"
)

const (
	maxLine  = 4 << 10 // bytes that are kept of a line
	maxLines = 1000    // newest lines that are kept of a task
)

// AppendLog enters lines of output. The journal keeps the last thousand lines of
// a task (and of the run itself), and the first 4 KiB of each line.
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

// cut shortens a line without splitting a character.
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

// Logs returns the last lines of a task's output in their order; with an empty
// task, those of the run itself. A limit of 0 returns all that are kept.
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
