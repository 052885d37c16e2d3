locals {
  a = 1
  a = 2 # want: duplicate-argument "redefined"
}
