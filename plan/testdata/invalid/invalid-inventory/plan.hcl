# want-at: gateways.csv:3 invalid-inventory column port
# want-at: gateways.csv:4 invalid-inventory column host
# want-at: gateways.csv:5 invalid-inventory key "a"
# want-at: gateways.yaml:3 invalid-inventory column port
# want-at: gateways.json:3 invalid-inventory column port
locals {
  csv  = inventory("gateways.csv", "name", object({ host = string, port = optional(number, 5550) }))
  yaml = inventory("gateways.yaml", "name", object({ host = string, port = optional(number, 5550) }))
  json = inventory("gateways.json", "name", object({ host = string, port = optional(number, 5550) }))
}
