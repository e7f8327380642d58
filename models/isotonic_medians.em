# emdsl fit models/isotonic_medians.em models/data/sleepstudy.csv \
#     --data y=reaction --data day=days
model IsotonicMedians
    "Medians that don't fall from one group to the next: reactions slow down without sleep."
    "Best, Chakravarti and Ubhaya, SIAM J. Optim. 10 (2000); data: Belenky et al. 2003."

param middle : ordered[D]
param scale  : positive

for n in N:
    input day[n] : category[D]
    data  y[n]   ~ Laplace(middle[day[n]], scale)
