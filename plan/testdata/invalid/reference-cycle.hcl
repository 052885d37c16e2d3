locals {
  a = local.b # want: reference-cycle "Reference cycle"
  b = local.a
}
