pattern "no spaces" { # want: invalid-name "Invalid name"
}
device "datapower" "x" {
  name = " " # want: invalid-name "Invalid name"
  config {
    host     = "10.0.0.1"
    username = "backup"
    password = secret_env("PW")
  }
}
