dprun {
  required_version = ">= 0.1.0"
}

variable "env" {
  type    = string
  default = "prod"
  validation {
    condition     = contains(["prod", "qa"], var.env)
    error_message = "env must be prod or qa."
  }
}

locals {
  holidays = ["2026-12-25", "2027-01-01"]
  gateways = inventory("gateways.csv", "name", object({
    host = string, site = string, pair = string, credential = string,
    port = optional(number, 5550), certificate = optional(string, "backup-cert"),
  }))
}

device "datapower" "edge" {
  for_each = local.gateways
  labels   = { env = var.env, site = each.value.site }
  group    = each.value.pair # members of a group are never down together
  vars     = each.value      # free and typed, in scope later as device.vars
  config {
    host     = each.value.host
    port     = each.value.port
    username = "backup"
    password = secret_command(["/opt/vault/get", each.value.credential])
    tls { ca_file = "certs/appliances.pem" }
  }
  restore { # what differs for dprun restore and for drills
    username = "restore"
    password = secret_file("/etc/dprun/restore.password")
  }
}

pattern "edge_prod" {
  match  = ["fra-*", "ber-*"]
  except = ["*-lab-*"]
  labels = { env = ["prod"] } # devices only
}

pattern "apps" {
  match  = ["*"]
  except = ["test_*"]
}

window "night" {
  timezone = "Europe/Berlin"
  allow {
    days = ["mon", "tue", "wed", "thu", "fri"]
    from = "21:30"
    to   = "06:30" # crosses midnight: belongs to the day it opened
  }
  deny { dates = local.holidays }
}

retention "standard" {
  keep_last    = 3
  keep_daily   = 14
  keep_weekly  = 8
  keep_monthly = 12
  keep_within  = "72h"
  timezone     = "Europe/Berlin"
}

retention "offsite" {
  keep_monthly = 36
}

script "exec" "ticket_open" {
  timeout = "2m"
  config { command = ["./scripts/ticket", "open", plan.name] }
}

script "exec" "ticket_close" {
  timeout = "2m"
  config { command = ["./scripts/ticket", "close"] }
}

script "exec" "drain" {
  timeout = "5m"
  config {
    command = ["./scripts/pool", "drain", device.name]
    secrets = { POOL_TOKEN = secret_file("/etc/dprun/pool.token") }
  }
}

script "exec" "rejoin" {
  timeout = "5m"
  config { command = ["./scripts/pool", "rejoin", device.name] }
}

destination "nfs" "vault" {
  min_free = "10%"
  config {
    server = "nas.example.net"
    export = "/backups"
  }
}

destination "sftp" "offsite" {
  path      = "${device.labels.site}/${device.name}/${domain}/${stamp}"
  verify    = "read_back"
  parallel  = 4
  retention = retention.offsite
  encryption {
    recipients = [
      "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAII+LN1/FLJ2O9b70l6Fl6/mJaK4CSsWFxa/5Hrp2KNSj safe",
    ]
  }
  config {
    host        = "vault.example.net"
    username    = "dprun"
    private_key = secret_file("/etc/dprun/id_ed25519")
    known_hosts = "certs/known_hosts"
    directory   = "/srv/backups"
  }
}

plan "nightly" {
  description  = "Secure backup and domain exports of the edge gateways."
  window       = window.night
  destinations = [destination.nfs.vault, destination.sftp.offsite]
  retention    = retention.standard
  error_policy = "ignore" # halt | ignore
  four_eyes    = true
  pre_script   = script.exec.ticket_open
  post_script { run = script.exec.ticket_close }

  limits {
    parallel   = 8
    per_device = 1
    per_label  = { site = 2 }
  }
  timeouts {
    queue     = "24h"
    run       = "60m"
    quiesce   = "60s"
    unquiesce = "60s"
    grace     = "3m"
    store     = "2h"
  }
  quiesce_guard {
    max_devices   = 1
    max_per_group = 1
    settle        = "2m"
  }

  activity "secure_backup" "appliance" {
    devices         = [pattern.edge_prod]
    quiesce         = "device"
    before_quiesce  = script.exec.drain
    after_unquiesce = script.exec.rejoin
    config { certificate = device.vars.certificate }
  }

  activity "export_domain" "domains" {
    devices    = [pattern.edge_prod, "lab-1", device.datapower.edge["fra-9"]]
    domains    = [pattern.apps]
    depends_on = [activity.appliance]
    config { persisted = "auto" } # auto: persisted, plus the running configuration where there are unsaved changes
  }
}
