device "datapower" "one" {
  config {
    host     = "a"
    username = "b"
    password = secret_env("PW")
    port     = 70000 # want: invalid-value "Invalid value"
    timeout  = "soon" # want: invalid-value "Invalid value"
    tls {
      min_version = "1.1" # want: invalid-value "Invalid value"
    }
  }
}
destination "file" "vault" {
  verify   = "readback" # want: invalid-value "Invalid value" suggest read_back
  parallel = 0 # want: invalid-value "Invalid value"
  min_free = "110%" # want: invalid-value "Invalid value"
  config { directory = "/srv" }
}

plan "nightly" {
  destinations = [destination.file.vault]
  error_policy = "stop" # want: invalid-value "Invalid value"
  limits {
    parallel  = 1.5 # want: invalid-value "Invalid value"
    per_label = { site = 0 } # want: invalid-value "Invalid value"
  }
  timeouts {
    run = "60" # want: invalid-value "Invalid value"
  }

  activity "export_domain" "domains" {
    devices = ["one"]
    domains = ["*"]
  }
}
