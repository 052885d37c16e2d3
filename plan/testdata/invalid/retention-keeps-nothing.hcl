device "datapower" "one" {
  config {
    host     = "10.0.0.1"
    username = "backup"
    password = secret_env("PW")
  }
}
window "night" {
}
variable "days" {
  default = 0
}

retention "empty" { # want: retention-keeps-nothing "keeps nothing but the newest"
  timezone = "Europe/Berlin"
}
retention "zeros" { # want: retention-keeps-nothing "at least one of keep_last"
  keep_last    = 0
  keep_daily   = var.days
  keep_weekly  = null
  keep_monthly = 0
  keep_within  = "0s"
}
retention "wrong" {
  keep_last    = -1 # want: invalid-value "at least 0"
  keep_daily   = 1.5 # want: invalid-value "whole number"
  keep_weekly  = "many" # want: wrong-type "keep_weekly"
  keep_within  = "72" # want: invalid-value "duration with a unit"
  timezone     = "Europe/Berln" # want: invalid-value "IANA" suggest Europe/Berlin
  keep_yearly  = 3 # want: unknown-argument "not an argument"
}
retention "local_time" {
  keep_last = 1
  timezone  = "Local" # want: invalid-value "IANA"
}
retention "good" {
  keep_last = 1
}
locals {
  standard = retention.good # want: not-in-scope "argument `retention`"
}

destination "nfs" "vault" {
  retention = retention.goood # want: unknown-reference "no retention" suggest good
  config { mount = "/mnt" }
}
# Its plugin offers no delete.
destination "file" "worm" { # want: never-runs "cannot remove stored files"
  config { directory = "/srv" }
}

plan "nightly" {
  destinations = [destination.nfs.vault, destination.file.worm]
  retention    = retention.good
  activity "export_domain" "d" {
    devices = ["*"]
    domains = ["*"]
  }
}
plan "weekly" {
  destinations = [destination.nfs.vault, destination.file.worm]
  retention    = window.night # want: wrong-reference "retention.name"
  activity "export_domain" "d" {
    devices   = ["*"]
    domains   = ["*"]
    retention = 3 # want: unknown-argument "not an argument"
  }
}
