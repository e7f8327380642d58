model 2
param p : unit
