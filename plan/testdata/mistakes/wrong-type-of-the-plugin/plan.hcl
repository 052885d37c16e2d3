device "datapower" "gw" {
  config {
    host     = "10.0.0.1"
    port     = "abc"
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
