param p : unit
model M
    "Doc."
