# Declared for every scenario: the fleet's gateways, by the names that they
# have there, and a directory. Passwords are read from files.
device "datapower" "gw" {
  for_each = { for d in jsondecode(file("fleet.json")).devices : d.name => d }
  # Gateways called pair-1 and pair-2 stand in for each other; one called …-qa is no production gateway.
  group  = try(regex("^(pair)-[0-9]", each.key)[0], null)
  labels = { env = try(regex("-(qa)$", each.key)[0], "prod") }
  config {
    host     = each.value.host
    port     = each.value.port
    username = each.value.username
    password = secret_file("${each.key}.pw")
    serial   = try({ pinned = "PIN0001" }[each.key], null)
    tls { ca_file = each.value.ca_file }
  }
}

destination "file" "local" {
  min_free = 0
  config { directory = "backups" }
}
