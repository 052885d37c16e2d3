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

  activity "export_all_domains" "d" {
    devices = ["*"]
    domains = ["*"] # want: unexpected-domains "Domains"
  }
}
