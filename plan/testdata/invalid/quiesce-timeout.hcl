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

plan "nightly" {
  destinations = [destination.file.vault]
  timeouts {
    quiesce = "59s" # want: quiesce-timeout-too-short "too short"
  }

  activity "export_domain" "domains" {
    devices = ["one"]
    domains = ["*"]
  }
}
