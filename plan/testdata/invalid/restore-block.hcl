# plugin
device "datapower" "one" {
  config {
    host     = "10.0.0.1"
    username = "backup"
    password = secret_env("PW")
  }
  restore { # want: missing-argument "restore block is empty"
  }
}

device "datapower" "two" {
  config {
    host     = "10.0.0.2"
    username = "backup"
    password = secret_env("PW")
  }
  restore {
    host     = "10.0.0.3" # want: invalid-value "which device this is"
    usrname  = "restore"  # want: unknown-argument "usrname" suggest username
    password = null       # want: missing-argument "password"
  }
}

device "datapower" "three" {
  config {
    host     = "10.0.0.4"
    username = "backup"
    password = secret_env("PW")
    tls { ca_file = "ca.pem" }
  }
  restore {
    username = "advise"
    tls {
      ca_file            = "ca.pem"
      fingerprint_sha256 = "aa" # want: conflicting-arguments "fingerprint_sha256"
    }
  }
}

device "datapower" "four" {
  config {
    host     = "10.0.0.5"
    username = "backup"
    password = secret_env("PW")
  }
  restore {
    username = "advise" # want: plugin-advice "Unlucky user"
    password = secret_env("RESTORE_PW")
  }
  restore { # want: duplicate-block "at most one"
    username = "x"
  }
}
