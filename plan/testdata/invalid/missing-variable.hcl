variable "a" { # want: missing-variable "Missing value"
}
