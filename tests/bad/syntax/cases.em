model M
latent z ~ case k
    0: Normal(0, 1)
latent w ~ case k:
    0 Normal(0, 1)
    1 = Normal(0, 1)
    else Normal(0, 1)
    param p : real
    2: Normal(0, 1
let a = case k:
    0: 1
