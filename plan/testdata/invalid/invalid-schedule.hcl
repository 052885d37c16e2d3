device "datapower" "one" {
  config {
    host     = "10.0.0.1"
    username = "backup"
    password = secret_env("PW")
  }
}
window "night" {
  timezone = "Europe/Berlin"
  allow {
    from = "21:30"
    to   = "06:30"
  }
}
destination "nfs" "vault" {
  config { mount = "/mnt" }
}

plan "nightly" {
  destinations = [destination.nfs.vault]
  window       = window.night
  schedule {
    cron = "30 2 * * *"
  }
  schedule {
    cron     = "30 5 * * *" # want: schedule-outside-window "is never within the window"
    timezone = "America/New_York"
  }
  schedule {
    cron = "0 12 * * *" # want: schedule-outside-window "12 * * *\" (Europe/Berlin)"
  }
  schedule {
    cron   = "30 2 * * *"
    jitter = "13h" # want: invalid-value "at most"
    missed = "run_onec" # want: invalid-value "run_once" suggest run_once
  }
  schedule {
    cron = "@daily" # want: invalid-schedule "five fields"
  }
  schedule {
    cron = "30 25 * * *" # want: invalid-schedule "cannot be read"
  }
  schedule {
    cron = "0 3 1 * MON" # want: invalid-schedule "day of the month and the day of the week"
  }
  schedule {
    cron     = "0 3 * * *"
    timezone = "Europe/Berln" # want: invalid-value "IANA" suggest Europe/Berlin
  }
  schedule { # want: missing-argument "needs \"cron\""
    every = "1h" # want: unknown-argument "not an argument"
  }
  activity "export_domain" "d" {
    devices = ["*"]
    domains = ["*"]
  }
}
