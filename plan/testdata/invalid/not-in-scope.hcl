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
locals {
  a = device.name # want: not-in-scope "Not in scope"
}
pattern "p" {
  match = [each.key] # want: not-in-scope "Not in scope"
}
script "exec" "s" {
  config { command = [device.name] } # want: not-in-scope "Not in scope"
}

plan "nightly" {
  destinations = [destination.file.vault]
  pre_script = script.exec.s

  activity "export_domain" "d" {
    devices = ["one"]
    domains = ["${domain}x"] # want: not-in-scope "Not in scope"
  }
}
