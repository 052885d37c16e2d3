# var: count=null
variable "site" {
  type     = string
  default  = null # want: invalid-variable-value "Invalid value"
  nullable = false
}
variable "count" { # want: invalid-variable-value "Invalid value"
  type     = number
  nullable = false
}
