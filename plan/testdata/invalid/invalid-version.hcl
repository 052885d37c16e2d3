dprun {
  required_version = "soon" # want: invalid-version-constraint "constraint"
}
