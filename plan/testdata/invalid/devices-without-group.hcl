device "datapower" "one" {
  group = "a"
  config {
    host     = "10.0.0.1"
    username = "backup"
    password = secret_env("PW")
  }
}

destination "file" "vault" {
  config { directory = "/srv" }
}
device "datapower" "two" {
  config {
    host     = "10.0.0.2"
    username = "backup"
    password = secret_env("PW")
  }
}

plan "nightly" {
  destinations = [destination.file.vault]
  quiesce_guard {
    max_devices = 2 # want: devices-without-group "without a group"
  }

  activity "export_all_domains" "d" {
    devices = ["*"]
    quiesce = "device"
  }
}
