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

  activity "export_domain" "d" {
    devices = ["one"]
    domains = ["*"]
    quiesce = "device" # want: quiesce-impossible "not possible"
  }
  activity "export_all_domains" "e" {
    devices = ["one"]
    quiesce = "domain" # want: quiesce-impossible "not possible"
  }
}
