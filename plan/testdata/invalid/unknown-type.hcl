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
device "datapour" "x" { # want: unknown-type "Unknown type" suggest datapower
  config {}
}
destination "nsf" "x" { # want: unknown-type "Unknown type" suggest nfs
}
destination "fil" "second" { # want: unknown-type "There are file, nfs" suggest file
}
script "exce" "x" { # want: unknown-type "Unknown type" suggest exec
}

plan "nightly" {
  destinations = [destination.file.vault, destination.file.second, destination.nfs.x, destination.file.third] # want: unknown-reference "destination.file has no"

  activity "export_domian" "d" { # want: unknown-type "Unknown type" suggest export_domain
    devices = ["one"]
    domains = ["*"]
  }
}
