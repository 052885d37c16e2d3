# What `dprun serve` answers, and whom: docs/serve-access.md has every setting.
# It holds no secret. `systemctl reload dprun-serve` reads it anew.
listen    = "127.0.0.1:8420"
audit_log = "/var/lib/dprun/audit.log"

# Anybody who is to see the page comes with a token, or logs in (oidc). This one
# is made by: head -c 32 /dev/urandom | base64
# and its hash by: tr -d '\n' < token | sha256sum
#
# token "night" {
#   sha256  = "HASH"
#   role    = "viewer"
#   expires = "2027-06-30"
# }

# Without TLS it listens on the loopback interface only.
#
# tls {
#   certificate = "/etc/dprun/tls/server.crt"
#   key         = "/etc/dprun/tls/server.key"
# }
