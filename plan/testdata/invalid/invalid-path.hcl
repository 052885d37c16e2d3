device "datapower" "one" {
  group = "a"
  config {
    host     = "10.0.0.1"
    username = "backup"
    password = secret_env("PW")
  }
}
destination "file" "empty" {
  path = "x/${device.key}/${device.name}" # want: invalid-path "Invalid path"
  config { directory = "/srv" }
}

plan "nightly" {
  destinations = [destination.file.empty]

  activity "export_domain" "domains" {
    devices = ["one"]
    domains = ["*"]
  }
}
