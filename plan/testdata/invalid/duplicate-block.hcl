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
  }
  limits { # want: duplicate-block "Duplicate block"
  }

  activity "export_domain" "domains" {
    devices = ["one"]
    domains = ["*"]
  }
}
device "datapower" "two" {
  config {
    host     = "a"
    username = "b"
    password = secret_env("PW")
    tls {}
    tls {} # want: duplicate-block "Duplicate block"
  }
}
