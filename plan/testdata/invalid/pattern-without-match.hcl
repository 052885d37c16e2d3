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
pattern "lab" {
  match = ["lab-*"]
}
pattern "prod" {
  labels = { env = ["prod"] }
}

plan "nightly" {
  destinations = [destination.file.vault]

  activity "export_domain" "d" {
    devices = [
      "one",
      "onne",       # want: pattern-without-match "matches" suggest one
      "One",        # want: pattern-without-match "matches"
      "x*",         # want: pattern-without-match "matches"
      pattern.lab,  # want: pattern-without-match "matches"
      pattern.prod, # want: pattern-without-match "matches"
    ]
    domains = ["*"]
  }
}
