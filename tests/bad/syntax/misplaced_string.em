model M
param p : unit
"A remark"
