# want-at: blank.csv:1 empty-inventory holds no record
# want-at: list.json:1 empty-inventory holds no record
# want-at: map.yaml:1 empty-inventory holds no record
locals {
  fleet = merge([for f in ["blank.csv", "list.json", "map.yaml"] : inventory(f, "name", object({ host = string }))]...)
}
destination "file" "vault" {
  config { directory = "/srv" }
}
device "datapower" "fleet" {
  for_each = local.fleet
  config {
    host     = each.value.host
    username = "backup"
    password = secret_env("PW")
  }
}
device "datapower" "fixed" {
  config {
    host     = "10.9.9.9"
    username = "backup"
    password = secret_env("PW")
  }
}
plan "nightly" {
  destinations = [destination.file.vault]
  activity "export_domain" "d" {
    devices = ["*"]
    domains = ["*"]
  }
}
