device "datapower" "one" {
  group = "a"
  config {
    host     = "10.0.0.1"
    username = "backup"
    password = secret_env("PW")
  }
}

destination "file" "vault" {
  config { directory = "/srv" }
}
variable "env" {
  default = "prod"
}
locals {
  a = var.evn # want: unknown-reference "Unknown reference" suggest env
  b = local.sties # want: unknown-reference "Unknown reference" suggest sites
  sites = []
  c = fra # want: unknown-reference "Unknown reference"
}
pattern "apps" {
}
device "datapower" "edge" {
  for_each = { fra-1 = "10.0.0.2" }
  config {
    host     = each.vaule # want: unknown-reference "Unknown reference" suggest value
    username = "b"
    password = secret_env("PW")
  }
}

plan "nightly" {
  destinations = [destination.file.vault]

  activity "export_domain" "domains" {
    devices = [pattern.app, "one"] # want: unknown-reference "Unknown reference" suggest apps
    domains = [pattern.appz] # want: unknown-reference "Unknown reference" suggest apps
  }
  activity "export_domain" "e" {
    devices    = [device.datapower.edge["fra-2"]] # want: unknown-reference "Unknown reference" suggest fra-1
    domains    = ["*"]
    depends_on = [activity.domain] # want: unknown-reference "Unknown reference" suggest domains
  }
  activity "secure_backup" "s" {
    devices = ["one"]
    config { certificate = device.vars.cert } # want: unknown-reference "Unknown reference"
  }
}
