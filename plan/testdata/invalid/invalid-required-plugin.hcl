dprun {
  required_plugins {
    a = "text"                                                         # want: invalid-required-plugin "is an object of plain texts"
    b = { source = "b" }                                               # want: invalid-required-plugin "Its source is HOST/NAMESPACE/NAME"
    c = { source = "../../c" }                                         # want: invalid-required-plugin "lower case letters, digits, dots"
    d = { source = "h/n/other" }                                       # want: invalid-required-plugin "is the plugin's name, d"
    e = { source = "h/n/e", version = "later" }                        # want: invalid-required-plugin "\"later\" is not a version"
    f = { source = "h/n/f", digest = "x" }                             # want: invalid-required-plugin "\"digest\" is not an argument"
    g = { source = "h/n/g", version = 1 }                              # want: invalid-required-plugin "\"version\" is not a plain text"
    H = { source = "h/n/H" }                                           # want: invalid-required-plugin "lower case letters, digits and underscores"
    i { source = "h/n/i" }                                             # want: invalid-required-plugin "with an equals sign: i ="
    j = { source = "h/n/j" }
  }
}

dprun {
  required_plugins {
    j = { source = "h/n/j" } # want: invalid-required-plugin "is required twice"
  }
}
