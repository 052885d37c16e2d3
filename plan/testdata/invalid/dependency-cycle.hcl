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

  activity "export_domain" "a" { # want: dependency-cycle "Dependency cycle"
    devices    = ["one"]
    domains    = ["*"]
    depends_on = [activity.b]
  }
  activity "export_domain" "b" {
    devices    = ["one"]
    domains    = ["*"]
    depends_on = [activity.a]
  }
}
