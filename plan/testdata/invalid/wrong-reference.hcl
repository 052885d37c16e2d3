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
window "w" {
}
script "exec" "s" {
  config { command = ["a"] }
}
pattern "p" {
}

plan "nightly" {
  destinations = [destination.file.vault, "vault"] # want: wrong-reference "Wrong kind"
  window     = pattern.p # want: wrong-reference "Wrong kind"
  pre_script = "script.exec.s" # want: wrong-reference "Wrong kind"

  activity "export_domain" "d" {
    devices    = ["one", window.w] # want: wrong-reference "Wrong kind"
    domains    = ["*"]
    pre_script = window.w # want: wrong-reference "Wrong kind"
    depends_on = ["d"] # want: wrong-reference "Wrong kind"
  }

}
