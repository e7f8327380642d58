model M
param a : real, b : real
