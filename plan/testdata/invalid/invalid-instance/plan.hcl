# plugin
# want-at: gateways.csv:3 invalid-value device.datapower.gw["fra-2"]: 
# want-at: gateways.csv:4 rejected-by-plugin device.datapower.gw["fra-3"]: Not this one.
locals {
  gateways = inventory("./gateways.csv", "name", object({ host = string, port = number }))
}
device "datapower" "gw" {
  for_each = local.gateways
  group    = "a"
  config {
    host     = each.value.host
    port     = each.value.port
    username = "backup"
    password = secret_env("PW")
  }
}
device "datapower" "plain" {
  for_each = { p1 = "x", p2 = 5551 }
  group    = "b"
  config {
    host     = "10.0.1.1${each.key}"
    port     = each.value # want: wrong-type "device.datapower.plain["
    username = "backup"
    password = secret_env("PW")
  }
}
device "datapower" "alike" {
  for_each = { s1 = 1, s2 = 2, s3 = 3 }
  group    = "c"
  config {
    host     = "10.0.2.${each.value}"
    port     = 99999 # want: invalid-value "99999"
    username = "backup"
    password = secret_env("PW")
  }
}
destination "file" "vault" {
  config { directory = "/srv" }
}
plan "nightly" {
  destinations = [destination.file.vault]
  activity "export_domain" "d" {
    devices = ["*"]
    domains = ["*"]
  }
}
