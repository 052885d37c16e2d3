package datapower

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

const (
	// ownCheckpoint is the only checkpoint that dprun makes and removes. A domain has few checkpoints, and they
	// belong to the administrators.
	ownCheckpoint   = "dprun-restore"
	checkpointLimit = 5 * time.Minute
)

// checkpoint has the gateway save a checkpoint of the domain before an import, if a slot is free. It is a second
// way back, on the gateway itself, so its absence forbids nothing. It fails if the domain is still busy with it
// at the end.
func (i *restore) checkpoint(ctx context.Context) error {
	const check = "checkpoint"
	name := i.request.Target.Domain
	none := func(err error, why string) error {
		if err != nil {
			why += ": " + archive.Printable(err.Error())
		}
		i.found(sdk.LevelNotProven, check, name, "", "no checkpoint was made, so the export is the only way back: %s", why)
		return nil
	}
	names, err := i.client.Checkpoints(ctx, name)
	if err != nil {
		return none(err, "the existing ones could not be listed")
	}
	configs, err := i.client.GetConfig(ctx, defaultDomain, "Domain", name)
	most := 0
	if err == nil && len(configs) == 1 {
		most, _ = strconv.Atoi(configs[0].Value("MaxChkpoints")) // 0: not told
	}
	own := slices.Contains(names, ownCheckpoint)
	switch {
	case most == 0:
		return none(err, "how many checkpoints the domain may have could not be read")
	case own:
		if err := i.client.RemoveCheckpoint(ctx, name, ownCheckpoint); err != nil {
			return none(err, "the checkpoint of the last restore could not be removed")
		}
	case len(names) >= most:
		return none(nil, "all "+strconv.Itoa(most)+" are in use, and dprun removes only its own")
	}
	if err := i.client.SaveCheckpoint(ctx, name, ownCheckpoint); err != nil {
		return none(err, "the gateway did not make it")
	}
	busy := true
	err = i.until(ctx, checkpointLimit, func() (bool, error) {
		d, err := i.domain(ctx, name, importing)
		if err != nil {
			return false, err
		}
		busy = d.CurrentCommand != ""
		names, err := i.client.Checkpoints(ctx, name)
		return err == nil && !busy && slices.Contains(names, ownCheckpoint), err
	}, failure.New(failure.Timeout, "", "the checkpoint did not appear"))
	switch {
	case err != nil && busy:
		return failure.New(failure.Precondition, failure.DeviceBusy, "%s: import: domain %s is busy %v after a checkpoint was asked for", i.name, name, checkpointLimit).WithRemedy("wait until the command has ended")
	case err != nil:
		return none(err, "the gateway accepted the request")
	}
	i.found(sdk.LevelOK, check, name, "", "the gateway keeps the previous state of the domain as checkpoint %s until the next restore; to go back, roll back to that checkpoint and save the configuration", ownCheckpoint)
	return nil
}
