package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/plugins/datapower/soma"
)

// fleetFloorCommand makes this program the floor of part a: `bench fleet-floor READY DIRECTORY`.
const fleetFloorCommand = "fleet-floor"

// fleetFloor is the least that a verified backup of a fleet can cost with
// dprun's own client and verifier: one process receives, decodes and hashes
// the archives, writes each once, durably and in its final place, and verifies
// it. There is no staging, no second copy that is read back, no journal, no
// plugin process.
func fleetFloor(ready, dir string) error {
	text, err := os.ReadFile(ready)
	if err != nil {
		return err
	}
	var g gateways
	if err := json.Unmarshal(text, &g); err != nil {
		return err
	}
	clients := map[string]*soma.Client{}
	type job struct{ device, domain string }
	var list []job
	for _, d := range g.Devices {
		roots, err := os.ReadFile(d.CAFile)
		if err != nil {
			return err
		}
		clients[d.Name], err = soma.New(soma.Config{
			Host: d.Host, Port: d.Port, Username: d.Username, Password: d.Password, TLS: soma.TLS{CAs: roots}, IdleConnections: parallel,
		})
		if err != nil {
			return err
		}
		for _, domain := range d.applications() {
			list = append(list, job{d.Name, domain})
		}
	}
	verifier := archive.Verifier{Memo: archive.NewMemo()}
	jobs, failed := make(chan job, len(list)), make(chan error, len(list))
	for _, j := range list {
		jobs <- j
	}
	close(jobs)
	var workers sync.WaitGroup
	for range parallel {
		workers.Go(func() {
			for j := range jobs {
				if err := fetchAndVerify(clients[j.device], verifier, j.domain, filepath.Join(dir, j.device, j.domain+".zip")); err != nil {
					failed <- fmt.Errorf("%s/%s: %w", j.device, j.domain, err)
				}
			}
		})
	}
	workers.Wait()
	close(failed)
	var errs []error
	for err := range failed {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func fetchAndVerify(client *soma.Client, verifier archive.Verifier, domain, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // synced below
	ctx := context.Background()
	if _, err := client.Export(ctx, soma.ExportRequest{Domain: domain, Persisted: true}, file); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	report, err := verifier.VerifyFile(ctx, path)
	if err == nil && len(report.Problems()) > 0 {
		err = errors.New(report.Problems()[0].String())
	}
	return err
}
