dprun {
  required_version = ">= 9.0.0" # want: version-not-met "another dprun"
}
unknown "x" {}
locals { a = = }
