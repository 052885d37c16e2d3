# want-at: gateways.csv:1 empty-inventory holds no record
destination "file" "vault" {
  config { directory = "/srv" }
}
device "datapower" "fleet" {
  for_each = inventory("gateways.csv", "name", object({ host = string }))
  config {
    host     = each.value.host
    username = "backup"
    password = secret_env("PW")
  }
}
plan "nightly" { # want: nothing-to-back-up "has no device to back up"
  destinations = [destination.file.vault]
  activity "export_domain" "d" {
    devices = ["*"]
    domains = ["*"]
  }
}
