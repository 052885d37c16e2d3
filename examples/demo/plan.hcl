# Backs up the gateways that `make demo` simulates. The fleet is read from the
# file that the simulator writes when it is up.

variable "fleet" {
  type        = string
  description = "The simulator's ready file."
  default     = "fleet.json"
}

variable "backups" {
  type        = string
  description = "Where the copies go: an existing directory."
  default     = "backups"
}

locals {
  gateways = { for d in jsondecode(file(var.fleet)).devices : d.name => d }
}

device "datapower" "gateway" {
  for_each = local.gateways
  config {
    host     = each.value.host
    port     = each.value.port
    username = each.value.username
    password = secret_env("DEMO_PASSWORD_${replace(each.key, "-", "_")}")
    tls { ca_file = each.value.ca_file }
  }
}

destination "file" "local" {
  config { directory = var.backups }
}

plan "demo" {
  description  = "Every domain of every simulated gateway."
  destinations = [destination.file.local]

  limits { parallel = 6 }

  activity "export_domain" "domains" {
    devices = ["*"]
    domains = ["*"]
    quiesce = "domain"
  }
}
