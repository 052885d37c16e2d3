device "datapower" "gw" {
  config {
    host     = "10.0.0.1"
    username = "backup"
    password = "hunter2-in-clear"
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
