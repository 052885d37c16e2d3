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
plan "nightly" {
  destinations = [destination.file.vault]
  activity "export_domain" "d" {
    devices = ["*"]
    domains = ["*"]
  }
}
