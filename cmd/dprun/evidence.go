package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/dprun/dprun/cmd/dprun/view"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

func (a *app) evidenceCommand() *cobra.Command {
	c := &cobra.Command{Use: "evidence", Short: "Show and verify the records of what was done"}
	c.AddCommand(a.evidenceListCommand(), a.evidenceShowCommand(), a.evidenceExportCommand(), a.evidenceVerifyCommand())
	return c
}

func (a *app) evidenceListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the records of evidence, the newest first",
		Args:  arguments(0, 0),
		RunE: a.lookBack(func(_ context.Context, v view.View, h *runner.History, _ []string) error {
			records, err := all(h.Evidence())
			return show(v, records, err)
		}),
	}
}

func (a *app) evidenceShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show RECORD",
		Short: "Show a record of evidence with all that it holds",
		Args:  arguments(1, 1),
		RunE: a.lookBack(func(_ context.Context, v view.View, h *runner.History, args []string) error {
			d, err := h.EvidenceRecord(args[0])
			return show(v, d, err)
		}),
	}
}

func (a *app) evidenceExportCommand() *cobra.Command {
	var to string
	c := &cobra.Command{
		Use:   "export",
		Short: "Copy the records of evidence to a directory",
		Args: func(c *cobra.Command, args []string) error {
			if to == "" {
				return errors.New("--to is missing: name the directory that the records go to")
			}
			return arguments(0, 0)(c, args)
		},
		RunE: a.lookBack(func(_ context.Context, v view.View, h *runner.History, _ []string) error {
			e, err := h.ExportEvidence(to)
			return show(v, e, err)
		}),
	}
	c.Flags().StringVar(&to, "to", "", "the directory; it is created if missing")
	return c
}

func (a *app) evidenceVerifyCommand() *cobra.Command {
	var q runner.VerifyEvidenceRequest
	c := &cobra.Command{
		Use:   "verify [DIR|FILE...]",
		Short: "Verify that records of evidence are as they were written",
		Args:  arguments(0, -1),
		RunE: func(c *cobra.Command, paths []string) error {
			if len(paths) > 0 { // files need no state directory: an auditor has none
				return a.runE(func(_ context.Context, v view.View, paths []string) error {
					q.Paths = paths
					found, err := runner.VerifyEvidence(q)
					return misused(verified(v, found, err))
				})(c, paths)
			}
			return a.lookBack(func(ctx context.Context, v view.View, h *runner.History, _ []string) error {
				found, err := h.VerifyEvidence(ctx, q)
				return verified(v, found, err)
			})(c, paths)
		},
	}
	c.Flags().StringVar(&q.Expect, "expect", "", "SEQUENCE:DIGEST of a record that must be there")
	c.Flags().StringVar(&q.AllowedSigners, "allowed-signers", "", "a file that says whose signatures count, in the format of ssh-keygen -Y verify")
	return c
}

func verified(v view.View, found report.VerifiedEvidence, err error) error {
	if err != nil {
		return err
	}
	v.Show(found)
	return status(found.ExitCode)
}
