variable "given" {
  sensitive = true
  default   = "in-the-default" # want: secret-literal "write default = secret_file(\"/etc/dprun/given\")"
}
# want-bare: secret-shown
# var: token=in-the-arguments
variable "token" {
  sensitive = true
}
locals {
  pw = "in-a-local"
}
destination "file" "disk" {
  config { directory = "/srv" }
}
device "datapower" "literal" {
  config {
    host     = "10.0.0.1"
    username = "backup"
    password = "in-the-plan" # want: secret-literal "password = secret_file(\"/etc/dprun/password\")"
  }
}
device "datapower" "file" {
  config {
    host     = "10.0.0.2"
    username = "backup"
    password = chomp(file("pw.txt")) # want: secret-literal "password = secret_file(\"pw.txt\")"
  }
}
device "datapower" "local" {
  config {
    host     = "10.0.0.3"
    username = "backup"
    password = "${local.pw}-x" # want: secret-literal "plain text"
  }
}
device "datapower" "table" {
  for_each = inventory("g.csv", "name", object({ host = string, password = string }))
  config {
    host     = each.value.host
    username = "backup"
    password = each.value.password # want: secret-literal "secret_file(\"/etc/dprun/${each.key}.password\")"
  }
}
device "datapower" "good" {
  config {
    host     = "10.0.0.4"
    username = "backup"
    password = "${local.pw}-${secret_env("PW")}"
  }
}
destination "sftp" "s" {
  config {
    host        = "h"
    username    = "u"
    private_key = var.given
    known_hosts = "k"
    directory   = "d"
  }
}
script "exec" "s" {
  config {
    command = ["x"]
    secrets = {
      A = secret_file("a")
      B = secret_file("${domain}.b")
      C = var.token
    }
  }
}
script "exec" "t" {
  config {
    command = ["x"]
    secrets = { A = secret_file("a"), B = "in-a-map" } # want: secret-literal "secrets = { NAME = secret_file(\"/etc/dprun/NAME\") }"
  }
}
script "exec" "u" {
  config {
    command = ["x"]
    secrets = { A = run.outputs.token } # want: secret-literal "known during the run"
  }
}
plan "nightly" {
  destinations = [destination.file.disk]
  activity "export_domain" "d" {
    devices     = ["*"]
    domains     = ["*"]
    pre_script  = script.exec.s
    post_script = script.exec.t
  }
}
