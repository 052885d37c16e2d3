locals {
  a = 1 + "x" # want: invalid-expression "operand"
}
