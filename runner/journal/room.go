package journal

import (
	"context"
	"time"
)

// rooms hold a row for each destination that a run looked at.
const rooms = `
CREATE TABLE rooms (
  run TEXT NOT NULL, destination TEXT NOT NULL, root TEXT NOT NULL, free INTEGER NOT NULL, total INTEGER NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (run, destination)) WITHOUT ROWID;
CREATE INDEX rooms_destination ON rooms (destination, at);
`

// Room is how much room a destination had when a run looked at it first.
type Room struct {
	Destination string // address in the plan, such as sftp.vault
	Root        string // the destination as it names itself
	Free, Total int64  // bytes; -1: it cannot tell
	At          time.Time
}

func (r Room) write(t *transaction, run string) error {
	_, err := t.exec("INSERT INTO rooms (run, destination, root, free, total, at) VALUES (?,?,?,?,?,?) ON CONFLICT DO NOTHING", run, r.Destination, r.Root, r.Free, r.Total, stamp(r.At))
	return err
}

func scanRoom(s scanner) (r Room, err error) {
	return r, s.Scan(&r.Destination, &r.Root, &r.Free, &r.Total, moment{&r.At})
}

// RoomsOf are the destinations that a run looked at.
func (j *Journal) RoomsOf(ctx context.Context, run string) ([]Room, error) {
	return list(ctx, j, "list the room at destinations", scanRoom, "SELECT destination, root, free, total, at FROM rooms WHERE run = ? ORDER BY destination", run)
}

// Rooms are how much room a destination had in the runs of a plan since a time, the newest first.
func (j *Journal) Rooms(ctx context.Context, plan, destination string, since time.Time) ([]Room, error) {
	return list(ctx, j, "list the room at a destination", scanRoom,
		"SELECT destination, root, free, total, at FROM rooms WHERE destination = ? AND at >= ? AND run IN (SELECT id FROM runs WHERE plan = ?) ORDER BY at DESC", destination, stamp(since), plan)
}
