# REML, Hartung-Knapp and the rule that it is never narrower, by metafor, on the BCG trials and parts of them.
suppressMessages({library(metafor); library(jsonlite)})
dat <- escalc(measure = "RR", ai = tpos, bi = tneg, ci = cpos, di = cneg, data = dat.bcg)
one <- function(rows) {
  tight <- list(threshold = 1e-14, maxiter = 10000, tau2.max = 100)
  yi <- as.numeric(dat$yi[rows]); vi <- as.numeric(dat$vi[rows])
  knha <- rma(yi, vi, method = "REML", test = "knha", control = tight)
  adhoc <- rma(yi, vi, method = "REML", test = "adhoc", control = tight)
  k <- length(yi)
  pi <- as.numeric(adhoc$b) + c(-1, 1) * qt(0.975, k - 2) * sqrt(adhoc$tau2 + adhoc$se^2)
  list(yi = yi, vi = vi, tau2 = knha$tau2, i2 = knha$I2 / 100, q = knha$QE, value = as.numeric(knha$b),
       se_knha = knha$se, se = adhoc$se, ci = c(adhoc$ci.lb, adhoc$ci.ub), prediction = pi)
}
sets <- list(all = 1:13, large = c(7, 8, 9, 10, 13), few = c(4, 6, 8), alike = c(1, 2, 3, 4), two = c(1, 5))
out <- c(list(script = "tests/golden/r/metaanalysis.R", R = R.version.string,
  metafor = as.character(packageVersion("metafor"))), lapply(sets, one))
write_json(out, "tests/golden/metaanalysis.json", digits = NA, auto_unbox = TRUE)
