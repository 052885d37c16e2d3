package dpsim

// OtherAuthority is the certificate of an authority that has signed nothing,
// for plans that contact no gateway.
const OtherAuthority = `-----BEGIN CERTIFICATE-----
MIIBiDCCAS+gAwIBAgIUXgcKV+68jyQk7oL9CrAftF6ObQgwCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOVGVzdCBhdXRob3JpdHkwIBcNMjYxMTI4MDYyMjIzWhgPMjEy
NjExMDQwNjIyMjNaMBkxFzAVBgNVBAMMDlRlc3QgYXV0aG9yaXR5MFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAEhWP8+1J3qe+bh4mZLUp9dqdwDoNdI8DWrIJblzxJ
ykIHLgCdo0hIUXCg8vaAFQHkXOHeda5VJr9zHdh7pzNvi6NTMFEwHQYDVR0OBBYE
FPISX6bh6Z7G5S+wtkPJDOBhfZSUMB8GA1UdIwQYMBaAFPISX6bh6Z7G5S+wtkPJ
DOBhfZSUMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIgWfOCVFGE
hyavBqxyVAzp/9ZlRpyK/g37eAlPBw2yW5kCIHktBXbcl9r4uHKBfeXJgzVzOvM8
hyL56v9j8+dwaXe/
-----END CERTIFICATE-----
`
