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
pattern "p" {
  labels = { a = "b" }
}

plan "nightly" {
  destinations = [destination.file.vault]

  activity "export_domain" "d" {
    devices = ["*"]
    domains = [pattern.p] # want: labels-of-domains "Labels"
  }
}
