pattern "a" {
}
pattern "a" { # want: duplicate-definition "Duplicate definition"
}
variable "v" {
  default = 1
}
variable "v" { # want: duplicate-definition "Duplicate definition"
}
locals {
  x = 1
}
locals {
  x = 2 # want: duplicate-definition "Duplicate definition"
}
