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
destination "file" "flat" {
  path = "${domain}/${stamp}" # want: path-collision "collide"
  config { directory = "/srv" }
}
destination "file" "same" {
  path = device.name # want: path-collision "collide"
  config { directory = "/srv" }
}
device "datapower" "two" {
  config {
    host     = "10.0.0.2"
    username = "backup"
    password = secret_env("PW")
  }
}

plan "nightly" {
  destinations = [destination.file.flat, destination.file.same]

  activity "secure_backup" "d" {
    devices = ["*"]
    config { certificate = "c" }
  }
}
