pattern "a" {
  for_each = 5 # want: invalid-for-each "for_each"
}
pattern "b" {
  for_each = ["x", "x"] # want: invalid-for-each "for_each"
}
pattern "c" {
  for_each = null # want: invalid-for-each "for_each"
}
