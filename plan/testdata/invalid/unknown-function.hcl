locals {
  a = uper("x") # want: unknown-function "Unknown function" suggest upper
}
