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
destination "nfs" "n" {
  config {
    server = "a"
    mount  = "/b" # want: conflicting-arguments "Conflicting"
  }
}
script "exec" "s" {
  config { command = ["a"] }
}

plan "nightly" {
  destinations = [destination.file.vault]
  post_script = script.exec.s
  post_script { # want: conflicting-arguments "Conflicting"
    run = script.exec.s
  }

  activity "export_domain" "domains" {
    devices = ["one"]
    domains = ["*"]
  }
}
