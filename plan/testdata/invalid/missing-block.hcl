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
plan "empty" { # want: missing-block "Missing block"
  destinations = [destination.file.vault]
}
