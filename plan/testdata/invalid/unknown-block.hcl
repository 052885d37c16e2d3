devise "datapower" "a" { # want: unknown-block "Unknown block" suggest device
}

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
  limitz { # want: unknown-block "Unknown block" suggest limits
  }

  activity "export_domain" "domains" {
    devices = ["one"]
    domains = ["*"]
  }
}
