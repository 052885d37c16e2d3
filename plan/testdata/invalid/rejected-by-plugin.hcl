destination "file" "vault" {
  config { directory = "/srv" }
}
# plugin
device "datapower" "one" {
  config {
    host     = "reject" # want: rejected-by-plugin "Unlucky host"
    username = "advise" # want: plugin-advice "Unlucky user"
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
