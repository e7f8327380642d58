model A
param p : unit

model B
    "Doc."
param q : unit : real
