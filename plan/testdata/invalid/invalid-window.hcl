window "w" {
  timezone = "Europe/Atlantis" # want: invalid-window "Invalid window"
  allow {
    days = ["mon", "tuesday"] # want: invalid-window "Invalid window"
    from = "25:00" # want: invalid-window "Invalid window"
    to   = "6:30" # want: invalid-window "Invalid window"
  }
  deny {
    dates = ["2026-02-30"] # want: invalid-window "Invalid window"
  }
}
