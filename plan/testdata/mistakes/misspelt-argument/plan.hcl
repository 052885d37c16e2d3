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
  destinatons  = [destination.file.vault]
  activity "export_domain" "d" {
    devices = ["*"]
    domains = ["*"]
  }
}
