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

  quiesce_guard { # want: not-acting-yet "Not acting yet"
    max_per_group = 1
  }

  activity "export_domain" "d" {
    devices = ["*"]
    domains = ["*"]
    quiesce = "domain"
  }
}
