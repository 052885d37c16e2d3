destination "file" "vault" {
  config { directory = "/srv" }
}
plan "p" { # want: missing-argument "Missing argument"
  activity "export_domain" "d" { # want: missing-argument "Missing argument"
    devices = ["two"]
  }
}
device "datapower" "two" {
  config { # want: missing-argument "Missing argument"
    host     = "b"
    username = null # want: missing-argument "Missing argument"
    header { # want: missing-argument "Missing argument"
      value = "x"
    }
  }
}
device "datapower" "three" { # want: missing-block "Missing block"
}
