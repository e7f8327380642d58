model M
let a = []
let b = c[]
let d = c[1:2]
let e = c[:, 1]
let f = [x for x in c]
let g = sum(x for x in c)
let h = f(1, , 2)
let i = f(a = 1, 2)
let j = [1, 2](3)
