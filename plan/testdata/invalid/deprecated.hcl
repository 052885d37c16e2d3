destination "file" "vault" {
  config { directory = "/srv" }
}
device "datapower" "one" {
  config {
    host     = "a"
    username = "b"
    user     = "c" # want: deprecated "Deprecated"
    password = secret_env("PW")
  }
}

plan "nightly" {
  destinations = [destination.file.vault]

  activity "export_domain" "domains" {
    devices = ["one"]
    domains = ["*"]
  }
}
