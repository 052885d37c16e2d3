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
top = 1 # want: unknown-argument "Unknown argument"
device "datapower" "two" {
  lables = {} # want: unknown-argument "Unknown argument" suggest labels
  config {
    hots     = "a" # want: unknown-argument "Unknown argument" suggest host
    host     = "b"
    username = "b"
    password = secret_env("PW")
    tls {
      ca_flie = "x" # want: unknown-argument "Unknown argument" suggest ca_file
    }
    tls = {} # want: unknown-argument "Unknown argument"
  }
}

plan "nightly" {
  destinations = [destination.file.vault]

  activity "export_domain" "domains" {
    devices = ["one"]
    domains = ["*"]
  }
}

script "exec" "unused" {
  config {
    comand  = [] # want: unknown-argument "Unknown argument" suggest command
    command = ["a", device.vars.anything, run.outputs.x]
  }
}

window "w" {
  allow {
    from     = "21:00"
    to       = "22:00"
    timezone = "UTC" # want: unknown-argument "is not an argument of an allow block. An allow block has"
  }
}
