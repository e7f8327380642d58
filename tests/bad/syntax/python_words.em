import numpy
model M
param lambda : positive
elif x
def f(x):
    return x
let g = None
while True:
    param y : real
