device "datapower" { # want: wrong-labels "labels"
}
window "a" "b" { # want: wrong-labels "labels"
}
