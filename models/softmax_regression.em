# emdsl fit models/softmax_regression.em models/data/anes96.csv \
#     --data u=one,selfLR,age,educ,income --data y=PID
model SoftmaxRegression
    "Multinomial logistic regression: each category's score is linear, shares are their softmax."
    "Theil, Int. Econ. Rev. 10 (1969); data: American National Election Study 1996."

param beta[V] : real[P]  # one and the same may be added to all V: only differences count

for n in N:
    input u[n] : real[P]
    data  y[n] : category[V] ~ Categorical(softmax(beta @ u[n]))
