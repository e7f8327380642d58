model M
let a = b c
let d = 2x
let e = 2 * * 3
let f = b // 2
let g := 3
data x <- Normal(0, 1)
let h = 0 < b < 1
let i = b +
let j = (b, c)
let k = !b
let l = = 3
