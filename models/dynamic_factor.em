# emdsl fit models/dynamic_factor.em models/data/macro_growth.csv \
#     --data x=consumption,investment,income
model DynamicFactor
    "Several series that follow one unseen autoregression, each with noise of its own."
    "Geweke 1977; Stock and Watson, NBER Macroecon. Annu. 4 (1989)."

param mean, loading : real[D]
param sd            : positive[D]
param phi           : real

for t in T:
    latent f[t] ~ Normal(0, 1) if t == 0 else Normal(phi * f[t-1], 1)
    data   x[t] : real[D] ~ Normal(mean + loading * f[t], sd)
