model M(K = 2)
for n in N:
    data x[n] : real[K] ~ Censored(MvNormal(zeros[K], eye[K]), lower = 0)
    data y[n] ~ Truncated(Bernoulli(0.5), upper = 1)
    data w[n] ~ Censored(Delta(0), upper = 1)
    data v[n] ~ Censored(Normal(0, 1) if n == 0 else Normal(1, 1), upper = 1)
    data u[n] ~ Interval(Normal(zeros[K], 1))
