# A mixed fleet: one big gateway with its troubles, two old ones.
start  = "2026-03-01T12:00:00Z"
frozen = false

device "fra-1" {
  firmware    = "IDG.10.5"
  domains     = 2 # app01, app02
  export_size = "200KB"
  backup_mode = "secure"

  domain "orders" {
    archive     = "x.zip" # relative to this file
    save_needed = true
    apic        = false
  }

  certificate "backup" {
    state = "up"
  }

  timings {
    quiesce       = "1s"
    secure_backup = "2s"
  }

  secure_backup {
    file "config.tgz" {
      size = "1MB"
    }
    file "local.tgz" {
      size = "2MB"
    }
  }

  fault "empty_file" {
    domain = "app01"
    count  = 1
  }
}

device "edge" {
  count    = 2
  firmware = "XI50.6"
  domains  = 1
}

fault "latency" {
  device   = "edge-*"
  duration = "10ms"
}
