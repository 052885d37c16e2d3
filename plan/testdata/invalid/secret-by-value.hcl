destination "file" "vault" {
  config { directory = "/srv" }
}
# env: password=x
variable "password" {
  sensitive = true
}
device "datapower" "one" {
  config {
    host     = "10.0.0.1"
    username = "backup"
    password = var.password # want: secret-by-value "by value"
  }
}

plan "nightly" {
  destinations = [destination.file.vault]

  activity "export_domain" "d" {
    devices = ["*"]
    domains = ["*"]
    quiesce = "domain"
  }
}
