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
destination "file" "sealed" {
  config { directory = "/sealed" }
  encryption {
    recipients = [
      "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
      "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p", # want: invalid-value "named twice"
      "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8q", # want: invalid-value "Recipient 3 of \"recipients\": this recipient is damaged"
      "age1yubikey1qwerty", # want: invalid-value "needs a plugin of age"
      "hunter2", # want: invalid-value "this is not a recipient"
    ]
  }
}
destination "file" "for-nobody" {
  config { directory = "/for-nobody" }
  encryption {
    recipients = [] # want: invalid-value "nobody could decrypt"
  }
}
script "exec" "told" {
  config { command = ["x"] }
}

plan "nightly" {
  destinations = [destination.file.vault]
  error_policy = "stop" # want: invalid-value "Invalid value"
  notify {
    on  = ["failed", "critcal"] # want: invalid-value "Invalid value" suggest critical
    run = script.exec.told
  }
  notify {
    on  = [] # want: invalid-value "Invalid value"
    run = script.exec.told
  }
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
