package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/dprun/dprun/testfixtures/dpsim"
)

// The sizes of part f, in devices, and how much a device may cost more among
// many than among few.
const (
	fewDevices  = 1_000
	manyDevices = 10_000
	linearity   = 1.2
)

// deviceBody is a device of 20 lines; %s stands for its name, host and so on.
const deviceBody = `  labels = {
    env  = "prod"
    site = %[2]s
    tier = upper("%[3]s")
  }
  group = "pair-${%[4]s}"
  vars = {
    certificate = "backup-cert"
    zones       = ["dmz", "core"]
  }
  config {
    host     = "${%[1]s}.example.net"
    port     = %[5]s
    username = "backup"
    password = secret_env("GATEWAY_PASSWORD")
    tls {
      ca_file = "ca.pem"
    }
  }
}
`

const validatePlan = `
locals {
  domain = "example"
}

destination "file" "here" {
  config { directory = "backups" }
}

plan "nightly" {
  destinations = [destination.file.here]
  activity "export_domain" "domains" {
    devices = ["*"]
    domains = ["*"]
  }
}
`

// literalPlan writes every device as a block of its own.
func literalPlan(dir string, devices int) error {
	var b strings.Builder
	b.WriteString(validatePlan)
	for i := range devices {
		name := fmt.Sprintf("gw-%05d", i)
		fmt.Fprintf(&b, "\ndevice \"datapower\" \"gw_%05d\" {\n  name = %q\n", i, name)
		fmt.Fprintf(&b, deviceBody, fmt.Sprintf("%q", name), fmt.Sprintf("%q", site(i)), "t"+fmt.Sprint(i%3), fmt.Sprint(i/2), "5550")
	}
	return writePlanDir(dir, b.String())
}

// inventoryPlan writes one block over an inventory of CSV.
func inventoryPlan(dir string, devices int) error {
	var csv strings.Builder
	csv.WriteString("name,site,pair,port\n")
	for i := range devices {
		fmt.Fprintf(&csv, "gw-%05d,%s,%d,5550\n", i, site(i), i/2)
	}
	if err := os.WriteFile(filepath.Join(dir, "gateways.csv"), []byte(csv.String()), 0o600); err != nil {
		return err
	}
	text := validatePlan + "\ndevice \"datapower\" \"gw\" {\n" +
		"  for_each = inventory(\"gateways.csv\", \"name\", object({ site = string, pair = number, port = optional(number, 5550) }))\n" +
		fmt.Sprintf(deviceBody, "each.key", "each.value.site", "t1", "each.value.pair", "each.value.port")
	return writePlanDir(dir, text)
}

func site(i int) string { return fmt.Sprintf("s%02d", i%40) }

func writePlanDir(dir, text string) error {
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), []byte(dpsim.OtherAuthority), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "plan.hcl"), []byte(text), 0o600)
}

// validate compares `dprun validate` with HCL's own parser and decoder, each
// as a process, on the same text.
func (b *bench) validate(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var contenders []contender
	for _, form := range []struct {
		name  string
		write func(string, int) error
	}{{"literal", literalPlan}, {"for_each", inventoryPlan}} {
		for _, devices := range []int{fewDevices, manyDevices} {
			dir, err := b.mkdir("validate")
			if err != nil {
				return err
			}
			if err := form.write(dir, devices); err != nil {
				return err
			}
			plan := filepath.Join(dir, "plan.hcl")
			name := fmt.Sprintf("%s %d", form.name, devices)
			contenders = append(contenders, timed("dprun "+name, func(ctx context.Context, _ int) error {
				out, err := output(command(ctx, nil, b.dprun, "validate", "--json", plan))
				if err == nil && !strings.Contains(string(out), fmt.Sprint(devices)) {
					err = fmt.Errorf("dprun validate does not count %d devices: %s", devices, tail(out))
				}
				return err
			}))
			if devices == manyDevices {
				contenders = append(contenders, timed("hcl "+name, func(ctx context.Context, _ int) error {
					_, err := output(command(ctx, nil, self, floorCommand, form.name, plan))
					return err
				}))
			}
		}
	}
	t, err := b.interleave(ctx, contenders...)
	if err != nil {
		return err
	}
	for _, form := range []string{"literal", "for_each"} {
		many := t.of(fmt.Sprintf("dprun %s %d", form, manyDevices))
		floor := t.of(fmt.Sprintf("hcl %s %d", form, manyDevices))
		about := map[string]string{
			"literal":  "validate of 10,000 literal device blocks against hclparse and hcldec on the same text",
			"for_each": "validate of one for_each over an inventory of 10,000 devices against hclparse, encoding/csv and hcldec of the block once for each row",
		}[form]
		b.add(t.cpu(share("f."+form, about, many, floor, 1.6), fmt.Sprintf("dprun %s %d", form, manyDevices), fmt.Sprintf("hcl %s %d", form, manyDevices)))
		b.add(linear(t, form))
	}
	literal := t.of(fmt.Sprintf("hcl literal %d", manyDevices))
	b.add(share("f.for_each.literal", "the for_each against hclparse and hcldec on the literal blocks", t.of(fmt.Sprintf("dprun for_each %d", manyDevices)), literal, 0).info())
	return nil
}

// linear compares processor times: the wall time of a short process says little.
func linear(t times, form string) figure {
	few := t[fmt.Sprintf("dprun %s %d", form, fewDevices)][cpuTime]
	many := t[fmt.Sprintf("dprun %s %d", form, manyDevices)][cpuTime]
	tenfold := make([]float64, len(few))
	for i, v := range few {
		tenfold[i] = v * manyDevices / fewDevices
	}
	return share("f."+form+".linear", "processor time for 10,000 devices against ten times that for 1,000 ("+form+")", many, tenfold, linearity)
}
