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
device "datapower" "two" {
  vars   = "text" # want: wrong-type "Wrong type"
  labels = ["a"] # want: wrong-type "Wrong type"
  config {
    host     = ["a"] # want: wrong-type "Wrong type"
    port     = "many" # want: wrong-type "Wrong type"
    username = "b"
    password = secret_env("PW")
  }
}
pattern "p" {
  match = { a = 1 } # want: wrong-type "Wrong type"
}

plan "nightly" {
  destinations = [destination.file.vault]
  description = ["a"] # want: wrong-type "Wrong type"
  four_eyes   = "two" # want: wrong-type "takes true or false"

  activity "export_domain" "domains" {
    devices = ["one"]
    domains = ["*"]
  }
}
