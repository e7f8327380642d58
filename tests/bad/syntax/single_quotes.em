model M
    'A docstring'
param p : unit
