# want-bare: no-plan
locals {
}
