device "datapower" "prod" {
  config {
    host     = "10.0.0.1"
    username = "backup"
    password = secret_env("PW")
  }
}
device "datapower" "lab" {
  labels = { drill = "yes" }
  config {
    host     = "10.0.0.2"
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
    devices = ["prod"]
    domains = ["*"]
  }
  drill "weekly" {
    device   = device.datapower.lab # want: drill-device "no restore block"
    identity = "6800002/lab"
  }
}
