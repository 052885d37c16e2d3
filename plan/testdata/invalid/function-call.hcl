locals {
  a = upper() # want: function-call "Function call"
  b = file("../outside") # want: function-call "Function call"
  c = file("absent.txt") # want: function-call "Function call"
}
