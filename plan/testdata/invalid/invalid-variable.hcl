# var: count=many
variable "count" { # want: invalid-variable-value "Invalid value"
  type    = number
  default = 1
}
variable "env" { # want: invalid-variable-value "Invalid value"
  default = "dev"
  validation {
    condition     = contains(["prod", "qa"], var.env)
    error_message = "env must be prod or qa."
  }
}
