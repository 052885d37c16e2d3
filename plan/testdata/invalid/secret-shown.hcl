destination "file" "vault" {
  config { directory = "/srv" }
}
# env: token=x
variable "token" {
  sensitive = true
}
locals {
  indirect = secret_env(var.token) # want: secret-shown "Secret"
}
device "datapower" "one" {
  name   = secret_env("NAME") # want: secret-shown "Secret"
  labels = { site = "a-${var.token}" } # want: secret-shown "Secret"
  config {
    host     = "10.0.0.1"
    username = "backup"
    password = secret_env("PW")
  }
}
pattern "p" {
  for_each = toset([var.token]) # want: secret-shown "Secret"
}
destination "file" "leaky" {
  path = "${device.name}/${var.token}" # want: secret-shown "Secret"
  config { directory = "/srv" }
}

plan "nightly" {
  destinations = [destination.file.leaky]
  description = "with ${var.token}" # want: secret-shown "Secret"

  activity "export_domain" "d" {
    devices = ["*"]
    domains = [var.token] # want: secret-shown "Secret"
  }
}

script "exec" "leaky" {
  config { command = ["login", secret_env("PW")] } # want: secret-shown "Secret"
}
plan "scripted" {
  destinations = [destination.file.vault]
  pre_script   = script.exec.leaky
  activity "export_domain" "d" {
    devices = ["*"]
    domains = ["*"]
  }
}
