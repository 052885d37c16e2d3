device "datapower" "fleet" {
  for_each = inventory("gateways.csv", "name", object({ host = string, site = string }))
  labels   = { site = each.value.site }
  config {
    host     = each.value.host
    username = "backup"
    password = secret_env("PW")
  }
}
pattern "fra" { labels = { site = "fra" } }
destination "file" "vault" {
  config { directory = "/srv" }
}
plan "nightly" {
  destinations = [destination.file.vault]
  limits { per_label = { site = 2 } }
  activity "export_domain" "d" {
    devices = [pattern.fra, "gw-1", device.datapower.fleet["x"]]
    domains = ["*"]
  }
}
