window "w" { # want: window-never-opens "never opens"
  allow {
    days = ["mon"]
  }
  deny {
    days = ["mon"]
  }
}
