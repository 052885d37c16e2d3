package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

func (a *app) checkCommand() *cobra.Command {
	var src source
	var compare, write string
	c := &cobra.Command{
		Use:   "check FILE|DIR",
		Short: "Find out what would make a run fail",
		Args:  planArg,
		RunE: a.looking(&src, func(ctx context.Context, v view.View, r *runner.Runner, from runner.Source) (err error) {
			q := runner.CheckRequest{Source: from, Plan: src.plan, Only: src.narrowed()}
			if compare != "" {
				if q.Inventory, err = readInventory(compare); err != nil {
					return &usageError{err: err}
				}
			}
			found, res, err := r.Check(ctx, q)
			if found != nil && write != "" {
				err = errors.Join(err, writeInventory(write, found.Inventory))
			}
			if err = foreseen(ctx, v, res, err); err == nil {
				err = status(res.ExitCode)
			}
			if found != nil {
				v.Show(*found)
			}
			return err
		}),
	}
	a.planFlags(c, &src)
	c.Flags().StringVar(&compare, "inventory", "", "compare the objects that the user can see with a file that --write-inventory made")
	c.Flags().StringVar(&write, "write-inventory", "", "write how many objects of each class the user can see to a file; use an account that may read everything")
	c.Flags().BoolVar(&a.all, "all", false, "show what is in order, too")
	return c
}

// inventoryFile is the content of an inventory file.
type inventoryFile struct {
	Version int              `json:"version"` // always 1
	Devices report.Inventory `json:"devices"`
}

func readInventory(name string) (report.Inventory, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the inventory: %w", err)
	}
	var f inventoryFile
	if err := json.Unmarshal(text, &f); err != nil || f.Version != 1 || f.Devices == nil {
		return nil, fmt.Errorf("read the inventory: %s is not a file that `dprun check --write-inventory` made", name)
	}
	return f.Devices, nil
}

func writeInventory(name string, v report.Inventory) error {
	text, err := json.MarshalIndent(inventoryFile{1, v}, "", "  ")
	if err == nil {
		err = os.WriteFile(name, append(text, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("write the inventory: %w", err)
	}
	return nil
}
