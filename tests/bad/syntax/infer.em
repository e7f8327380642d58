model M
infer z
infer z with meanfield
infer z[n] using meanfield
infer using meanfield
infer z using
