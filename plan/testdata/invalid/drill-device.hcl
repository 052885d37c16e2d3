locals {
  account = {
    username = "backup"
    password = secret_env("PW")
  }
}
device "datapower" "prod" {
  labels = { drill = "yes" }
  config {
    host     = "10.0.0.1"
    username = local.account.username
    password = local.account.password
  }
}
device "datapower" "paired" {
  group  = "lab"
  labels = { drill = "yes" }
  config {
    host     = "10.0.0.2"
    username = local.account.username
    password = local.account.password
  }
}
device "datapower" "plain" {
  labels = { drill = "no" }
  config {
    host     = "10.0.0.3"
    username = local.account.username
    password = local.account.password
  }
}
device "datapower" "lab" {
  labels = { drill = "yes" }
  config {
    host     = "10.0.0.4"
    username = local.account.username
    password = local.account.password
  }
}
device "datapower" "edge" {
  config {
    host     = "10.0.0.5"
    username = local.account.username
    password = local.account.password
  }
}
destination "file" "vault" {
  config { directory = "/srv" }
}

plan "nightly" {
  destinations = [destination.file.vault]

  activity "export_domain" "d" {
    devices = ["edge"]
    domains = ["*"]
  }
  drill "used" {
    device   = device.datapower.prod # want: drill-device "is backed up by the activity \"d\" of the plan \"other\""
    identity = ""                    # want: invalid-value "must not be empty"
    domains  = []                    # want: invalid-value "at least one name"
    sample   = 0                     # want: invalid-value "at least 1"
    max_age  = "1m"                  # want: invalid-value "at least 1h"
  }
  drill "group" {
    device   = device.datapower.paired # want: drill-device "belongs to the group \"lab\""
    identity = "6800001/paired"
  }
  drill "group" { # want: duplicate-definition "has a drill"
    device   = device.datapower.lab
    identity = "6800002/lab"
  }
  drill "label" {
    device   = device.datapower.plain # want: drill-device "no label drill"
    identity = "6800003/plain"
  }
  drill "text" {
    device   = "lab" # want: wrong-reference "device.datapower.lab"
    identity = "6800002/lab"
    devices  = "*" # want: wrong-type "takes a list of texts"
  }
  drill "incomplete" { # want: missing-argument "needs \"identity\""
    device = device.datapower.lab
  }
}

plan "other" {
  destinations = [destination.file.vault]

  activity "export_domain" "d" {
    devices = ["prod"]
    domains = ["*"]
  }
  drill "weekly" {
    device   = device.datapower.lab
    identity = "6800002/lab"
    devices  = ["p*"]
    domains  = ["a", "b*"]
    sample   = 5
    max_age  = "7d"
  }
}
