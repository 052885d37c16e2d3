destination "file" "vault" {
  config { directory = "/srv" }
}
device "datapower" "one" {
  config {
    host     = "a"
    username = "b"
    password = secret_env("PW")
    tsl { # want: unknown-block "Unknown block" suggest tls
    }
    host2 "x" { # want: unknown-block "Unknown block"
    }
    timeout {} # want: unknown-block "Unknown block"
  }
}
