# A small fleet, every night: all domains of all gateways to a disk of the
# backup host, without taking anything out of service. The gateways stand in
# gateways.csv; the port, and the certificate to trust, only where they differ.

variable "inventory" {
  type        = string
  description = "The table of gateways, below this file's directory."
  default     = "gateways.csv"
}

variable "backups" {
  type        = string
  description = "An existing directory on a disk of its own."
  default     = "/backups"
}

variable "password_file" {
  type        = string
  description = "The password of the account `backup` on the gateways."
  default     = "/etc/dprun/gateways.password"
}

device "datapower" "gateway" {
  for_each = inventory(var.inventory, "name", object({
    host = string,
    site = string,
    pair = string,
    port = optional(number, 5550),
    ca   = optional(string, "certs/appliances.pem"),
  }))
  labels = { site = each.value.site }
  group  = each.value.pair
  config {
    host     = each.value.host
    port     = each.value.port
    username = "backup"
    password = secret_file(var.password_file)
    tls { ca_file = each.value.ca }
  }
}

pattern "applications" {
  match  = ["*"]
  except = ["default", "test_*", "*_old"]
}

window "night" {
  timezone = "Europe/Berlin"
  allow {
    from = "21:30"
    to   = "06:30"
  }
}

script "exec" "report" {
  timeout = "1m"
  config { command = ["./scripts/report"] }
}

destination "file" "disk" {
  min_free = "20%"
  config { directory = var.backups }
}

plan "nightly" {
  description  = "Exports of all application domains."
  window       = window.night
  destinations = [destination.file.disk]
  error_policy = "ignore"

  post_script {
    run  = script.exec.report
    when = "failure"
  }

  limits {
    parallel   = 8
    per_device = 2
    per_label  = { site = 4 }
  }

  activity "export_domain" "domains" {
    devices = ["*"]
    domains = [pattern.applications]
  }
}
