package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Size is how large the last good capture of something was, and how long it
// kept its device.
type Size struct {
	Device, Activity, Domain string
	Bytes                    int64
	Took                     time.Duration // of several runs, the later ones counting more
	At                       time.Time     // when the run ended
}

// Good says of a task that it has brought a good copy: how large it is, and how
// long it kept its device.
type Good struct {
	Task  string
	Bytes int64
	Took  time.Duration
}

// rememberSizes makes the good copies of a run the last ones, but where those of
// a later run are known: a run that died may be finished after it.
const rememberSizes = `INSERT INTO sizes (origin, plan, device, activity, domain, bytes, took, at, run)
	SELECT ?1, ?2, device, activity, domain, bytes, took, ?3, ?4 FROM tasks WHERE k BETWEEN ?5 AND ?6 AND good
	ON CONFLICT (origin, device, activity, plan, domain) DO UPDATE SET bytes = excluded.bytes, at = excluded.at, run = excluded.run,
		took = iif(took = 0, excluded.took, (took + excluded.took) / 2)
	WHERE run <= excluded.run`

const selectSizes = `SELECT domain, bytes, took, max(at) FROM sizes WHERE origin = ? AND device = ? AND activity = ? GROUP BY domain ORDER BY domain`

// LastSizes are the last good captures that plans of a file made of a device.
func (j *Journal) LastSizes(ctx context.Context, origin, device, activity string) ([]Size, error) {
	return list(ctx, j, "read the last sizes of "+device, func(s scanner) (z Size, err error) {
		z.Device, z.Activity = device, activity
		return z, s.Scan(&z.Domain, &z.Bytes, &z.Took, moment{&z.At})
	}, selectSizes, origin, device, activity)
}

// LastDomains are the domains that the last good run of a plan backed up with
// an activity on a device, sorted; none when there was no such run. Partial
// runs do not count.
func (j *Journal) LastDomains(ctx context.Context, plan, origin, activity, device string) ([]string, error) {
	found, err := only(list(ctx, j, "read the last domains of "+device, func(s scanner) (domains []string, err error) {
		var body []byte
		if err := s.Scan(&body); err != nil {
			return nil, err
		}
		return domains, json.Unmarshal(body, &domains)
	}, "SELECT domains FROM good_domains WHERE plan = ? AND origin = ? AND activity = ? AND device = ?", plan, origin, activity, device))
	if found == nil {
		return nil, err
	}
	return *found, nil
}

// rememberDomains keeps, at the end of a run, what LastDomains will give. It
// is a table of its own so that it outlives the run. It returns how many tasks
// brought a copy.
func (o *openRun) rememberDomains(t *transaction, run string, e End) (copies int, err error) {
	var partial bool
	if err := t.row("SELECT partial FROM runs WHERE n = ?", o.n).Scan(&partial); err != nil {
		return 0, err
	}
	good, copies, err := o.goodDomains(t, e)
	if err != nil || partial {
		return copies, err
	}
	for where, domains := range good {
		if len(domains) == 0 {
			continue
		}
		slices.Sort(domains)
		body, err := json.Marshal(domains)
		if err != nil {
			return 0, fmt.Errorf("encode domains: %w", err)
		}
		if _, err := t.exec(`INSERT INTO good_domains (plan, activity, device, run, at, domains, origin) VALUES (?1,?2,?3,?4,?5,?6,?7)
			ON CONFLICT (plan, origin, activity, device) DO UPDATE SET run = ?4, at = ?5, domains = ?6
			WHERE coalesce((SELECT n FROM runs WHERE id = good_domains.run), 0) <= ?8`,
			o.plan, where.activity, where.device, run, stamp(e.Time), string(body), o.origin, o.n); err != nil {
			return 0, err
		}
	}
	return copies, nil
}

type place struct{ activity, device string }

// goodDomains gives the domains with a good copy for every activity and device
// where no task ended otherwise than good or neutral, and counts the good tasks.
func (o *openRun) goodDomains(t *transaction, e End) (good map[place][]string, copies int, err error) {
	first, last := rangeOf(o.n)
	rows, err := t.query("SELECT activity, device, domain, code, final, good FROM tasks WHERE k BETWEEN ? AND ?", first, last)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	good, bad := map[place][]string{}, map[place]bool{}
	for rows.Next() {
		var p place
		var domain, code string
		var final, copied bool
		if err := rows.Scan(&p.activity, &p.device, &domain, &code, &final, &copied); err != nil {
			return nil, 0, err
		}
		switch {
		case copied:
			copies++
			if domain != "" {
				good[p] = append(good[p], domain)
			}
		case !final || !slices.Contains(e.Neutral, code):
			bad[p] = true
		}
	}
	for p := range bad {
		delete(good, p)
	}
	return good, copies, rows.Err()
}
