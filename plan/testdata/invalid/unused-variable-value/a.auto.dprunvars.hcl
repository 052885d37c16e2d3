regoin = "y" # want: unused-variable-value "Unused" suggest region
