device "datapower" "gw" {
  config {
    host     = "10.0.0.1"
    username = "backup"
    password = secret_env("PW")
  }
}
destination "file" "vault" {
  config { directory = "/srv" }
}
plan "nightly" {
  destinations = [destination.file.vault]
  limits { parallel = "many" }
  activity "export_domain" "d" {
    devices = ["*"]
    domains = ["*"]
  }
}
