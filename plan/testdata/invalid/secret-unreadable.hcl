# secrets
locals {
  a = secret_file("/nowhere") # want: secret-unreadable "Secret"
}
