# emdsl fit models/medical_diagnosis.em models/data/chest_clinic.csv
model MedicalDiagnosis
    "A Bayesian network of a chest clinic: diseases mostly unseen behind signs and symptoms."
    "Lauritzen and Spiegelhalter, J. R. Stat. Soc. B 50 (1988); Lauritzen 1995."

param tuberculosis[2] : unit  # given a visit to Asia
param cancer[2]       : unit  # given smoking
param bronchitis[2]   : unit
param xray[2]         : unit  # given tuberculosis or cancer
param dyspnoea[2, 2]  : unit  # given that, and bronchitis

for n in N:
    input  asia[n]   : bool
    input  smoke[n]  : bool
    latent tub[n]    ~ Bernoulli(tuberculosis[asia[n]])
    data   lung[n]   : bool ~ Bernoulli(cancer[smoke[n]])      # known after a biopsy
    data   bronc[n]  : bool ~ Bernoulli(bronchitis[smoke[n]])  # known for some
    latent either[n] ~ Delta(tub[n] or lung[n])
    data   shade[n]  : bool ~ Bernoulli(xray[either[n]])
    data   breath[n] : bool ~ Bernoulli(dyspnoea[either[n], bronc[n]])
