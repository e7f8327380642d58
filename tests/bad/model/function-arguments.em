model M
param v : real[2]
for n in N:
    data x[n] ~ Normal(exp(1, 2), 1)
    data y[n] ~ Normal(dot(v), 1)
    data w[n] : real[2] ~ MvNormal(zeros(2), eye[2, 2])
