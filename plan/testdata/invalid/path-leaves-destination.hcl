device "datapower" "one" {
  group = "a"
  config {
    host     = "10.0.0.1"
    username = "backup"
    password = secret_env("PW")
  }
}
destination "file" "up" {
  path = "../${device.name}" # want: path-leaves-destination "leaves"
  config { directory = "/srv" }
}
destination "file" "absolute" {
  path = "/${device.name}" # want: path-leaves-destination "leaves"
  config { directory = "/srv" }
}

plan "nightly" {
  destinations = [destination.file.up, destination.file.absolute]

  activity "export_domain" "domains" {
    devices = ["one"]
    domains = ["*"]
  }
}
