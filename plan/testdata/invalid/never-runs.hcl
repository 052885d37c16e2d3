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
script "exec" "s" {
  config { command = ["a"] }
}

plan "nightly" {
  destinations = [destination.file.vault]

  activity "export_domain" "d" {
    devices        = ["*"]
    domains        = ["*"]
    on_busy        = "force" # want: never-runs "Never used"
    before_quiesce = script.exec.s # want: never-runs "Never used"
  }
}
