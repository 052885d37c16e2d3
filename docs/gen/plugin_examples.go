package main

import (
	"bytes"
	"fmt"
	"strings"
)

// usages show each type in a plan, by kind and name. A test validates them
// like every plan of the documentation.
var usages = map[string]string{
	"device datapower": `device "datapower" "gw1" {
  config {
    host     = "gw1.example.net"
    username = "backup"
    password = secret_file("/etc/dprun/gw1.password")
    tls {
      ca_file     = "certs/appliances.pem"
      server_name = "gw1.internal.example.net"
    }
  }
}
`,
	"activity export_domain": `plan "exports" {
  destinations = [destination.nfs.vault]

  activity "export_domain" "domains" {
    devices = ["fra-*"]
    domains = ["*"]
    quiesce = "domain"
    config { persisted = "both" }
  }
}
`,
	"activity export_all_domains": `plan "whole" {
  destinations = [destination.nfs.vault]

  activity "export_all_domains" "all" {
    devices = ["fra-*"]
  }
}
`,
	"activity secure_backup": `plan "secure" {
  destinations = [destination.nfs.vault]

  activity "secure_backup" "appliance" {
    devices = ["fra-*"]
    quiesce = "device"
    config {
      certificate = "backup-cert"
      unsaved     = "fail"
    }
  }
}
`,
	"destination nfs": `destination "nfs" "direct" {
  config {
    server    = "nas.example.net"
    export    = "/backups"
    directory = "gateways"
  }
}

destination "nfs" "mounted" {
  config { mount = "/mnt/backups" }
}
`,
	"destination sftp": `destination "sftp" "key" {
  config {
    host        = "vault.example.net"
    username    = "dprun"
    private_key = secret_file("/etc/dprun/id_ed25519")
    known_hosts = "certs/known_hosts"
    directory   = "/srv/backups"
  }
}

destination "sftp" "agent" {
  verify = "sent"
  config {
    host        = "vault.example.net"
    username    = "dprun"
    agent       = true
    known_hosts = "/etc/ssh/ssh_known_hosts"
    directory   = "."
  }
}
`,
	"destination file": `destination "file" "disk" {
  min_free = "50GB"
  config { directory = "/backups" }
}
`,
	"script mail": `script "mail" "team" {
  timeout = "45s"
  config {
    host     = "relay.example.net"
    username = "dprun"
    password = secret_file("/etc/dprun/smtp.password")
    from     = "dprun@example.net"
    to       = ["gateways@example.net"]
  }
}
`,
	"script webhook": `script "webhook" "chat" {
  config {
    secret_url = secret_file("/etc/dprun/chat.url")
    template   = "{\"text\": {{json .Headline}}}"
  }
}
`,
	"script syslog": `script "syslog" "siem" {
  config {
    transport = "tls"
    host      = "logs.example.net"
    facility  = "local3"
  }
}
`,
	"script exec": `script "exec" "mail" {
  timeout = "1m"
  config {
    command = ["./scripts/report", plan.name]
    env     = { LANG = "C" }
    secrets = { SMTP_PASSWORD = secret_env("SMTP_PASSWORD") }
  }
}
`,
}

// usage renders the example of a type, where there is one.
func usage(b *bytes.Buffer, kind, name string) {
	if text, ok := usages[kind+" "+name]; ok {
		fmt.Fprintf(b, "\n```hcl fragment\n%s\n```\n", strings.TrimSpace(text))
	}
}
