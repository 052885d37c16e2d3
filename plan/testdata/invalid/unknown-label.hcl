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
  limits {
    per_label = { site = 2 } # want: unknown-label "no device has"
  }

  activity "export_domain" "domains" {
    devices = ["one"]
    domains = ["*"]
  }
}
