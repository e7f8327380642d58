# emdsl fit models/poisson.em models/data/horsekicks.csv --data y=deaths
model PoissonTable
    "One Poisson on a frequency table: deaths by horse kick in the Prussian cavalry."
    "von Bortkiewicz, Das Gesetz der kleinen Zahlen (1898)."

param rate : positive

for n in N times freq[n]:
    data y[n] : count ~ Poisson(rate)
