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
	At                       time.Time
}

func (s Size) write(t *transaction, run string) error {
	_, err := t.exec(`INSERT INTO sizes (origin, device, activity, domain, bytes, at, took) VALUES (coalesce((SELECT origin FROM runs WHERE id = ?6), ''),?1,?2,?3,?4,?5,?7)
		ON CONFLICT (origin, device, activity, domain) DO UPDATE SET bytes = ?4, at = ?5, took = iif(took = 0, ?7, (took + ?7) / 2)`,
		s.Device, s.Activity, s.Domain, s.Bytes, stamp(s.At), run, int64(s.Took))
	return err
}

// LastSizes are the last good captures that plans of a file made of a device.
func (j *Journal) LastSizes(ctx context.Context, origin, device, activity string) ([]Size, error) {
	return list(ctx, j, "read the last sizes of "+device, func(s scanner) (z Size, err error) {
		z.Device, z.Activity = device, activity
		return z, s.Scan(&z.Domain, &z.Bytes, &z.Took, moment{&z.At})
	}, "SELECT domain, bytes, took, at FROM sizes WHERE origin = ? AND device = ? AND activity = ? ORDER BY domain", origin, device, activity)
}

// LastDomains are the domains that the last good run of a plan backed up with
// an activity on a device, sorted; none when there was no such run. Partial
// runs do not count.
func (j *Journal) LastDomains(ctx context.Context, plan, origin, activity, device string) ([]string, error) {
	found, err := list(ctx, j, "read the last domains of "+device, func(s scanner) (domains []string, err error) {
		var body []byte
		if err := s.Scan(&body); err != nil {
			return nil, err
		}
		return domains, json.Unmarshal(body, &domains)
	}, "SELECT domains FROM good_domains WHERE plan = ? AND origin = ? AND activity = ? AND device = ?", plan, origin, activity, device)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

// rememberDomains keeps, at the end of a run, what LastDomains will give. It
// is a table of its own so that it outlives the run.
func rememberDomains(t *transaction, run string, e End) error {
	var plan, origin string
	var partial bool
	if err := t.row("SELECT plan, origin, partial FROM runs WHERE id = ?", run).Scan(&plan, &origin, &partial); err != nil {
		return err
	}
	if partial {
		return nil
	}
	good, err := goodDomains(t, run, e)
	if err != nil {
		return err
	}
	for where, domains := range good {
		if len(domains) == 0 {
			continue
		}
		slices.Sort(domains)
		body, err := json.Marshal(domains)
		if err != nil {
			return fmt.Errorf("encode domains: %w", err)
		}
		if _, err := t.exec(`INSERT INTO good_domains (plan, activity, device, run, at, domains, origin) VALUES (?1,?2,?3,?4,?5,?6,?7)
			ON CONFLICT (plan, origin, activity, device) DO UPDATE SET run = ?4, at = ?5, domains = ?6`,
			plan, where.activity, where.device, run, stamp(e.Time), string(body), origin); err != nil {
			return err
		}
	}
	return nil
}

type place struct{ activity, device string }

// goodDomains gives the domains with a good copy for every activity and device
// where no task ended otherwise than good or neutral.
func goodDomains(t *transaction, run string, e End) (map[place][]string, error) {
	rows, err := t.query("SELECT activity, device, domain, code, final FROM tasks WHERE run = ?", run)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	good, bad := map[place][]string{}, map[place]bool{}
	for rows.Next() {
		var p place
		var domain, code string
		var final bool
		if err := rows.Scan(&p.activity, &p.device, &domain, &code, &final); err != nil {
			return nil, err
		}
		switch {
		case final && slices.Contains(e.Good, code):
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
	return good, rows.Err()
}
