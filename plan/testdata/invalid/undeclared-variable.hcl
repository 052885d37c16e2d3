# var: regoin=eu
# want-bare: undeclared-variable
variable "region" {
  default = "x"
}
