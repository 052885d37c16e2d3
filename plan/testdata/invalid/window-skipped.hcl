destination "file" "vault" {
  config { directory = "/srv" }
}
device "datapower" "gw" {
  config {
    host     = "10.0.0.1"
    username = "backup"
    password = secret_env("PW")
  }
}
window "night" {
  timezone = "Europe/Berlin"
  allow { # want: window-skipped "On 2027-03-28 the clocks of Europe/Berlin skip an hour that contains all the time from 02:15 to 02:45"
    from = "02:15"
    to   = "02:45"
  }
  allow { # partly
    from = "02:15"
    to   = "03:15"
  }
  allow { # never on a Sunday
    days = ["mon", "tue"]
    from = "02:15"
    to   = "02:45"
  }
}
plan "nightly" {
  window       = window.night
  destinations = [destination.file.vault]
  activity "export_domain" "d" {
    devices = ["*"]
    domains = ["*"]
  }
}
