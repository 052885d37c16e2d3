device "datapower" "gw" {
  config {
    host     = "10.0.0.1"
    username = "backup"
    password = secret_env("PW")
  }
}
window "night" {
  timezone = "Europe/Berln"
  allow {
    from = "21:30"
    to   = "06:30"
  }
}
destination "file" "vault" {
  config { directory = "/srv" }
}
plan "nightly" {
  destinations = [destination.file.vault]
  window       = window.night
  activity "export_domain" "d" {
    devices = ["*"]
    domains = ["*"]
  }
}
