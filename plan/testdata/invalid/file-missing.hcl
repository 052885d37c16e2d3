destination "sftp" "vault" {
  config {
    host        = "vault"
    username    = "b"
    private_key = secret_env("PW")
    known_hosts = "certs/missing" # want: file-missing "names a file that cannot be used: /plans/certs/missing does not exist"
    directory   = "/dprun"
  }
}
device "datapower" "one" {
  config {
    host     = "a"
    username = "b"
    password = secret_env("PW")
  }
}

plan "nightly" {
  destinations = [destination.sftp.vault]

  activity "export_domain" "domains" {
    devices = ["one"]
    domains = ["*"]
  }
}
