model M
param a : real
    param b : real
    param c : real
param d : real
