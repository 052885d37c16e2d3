locals {
  a = [1, 2
} # want: syntax-error "Missing item separator"
