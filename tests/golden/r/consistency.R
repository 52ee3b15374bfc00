# Consistency across regions: probabilities of a multivariate normal by mvtnorm; regions and interaction of the BCG trials by metafor.
suppressMessages({library(metafor); library(mvtnorm); library(jsonlite)})
# Effects by region with true effect 1 and variances 1/(f n): all of them, and all less a fraction of the mean over people.
planned <- function(f, power, pi) {
  z <- qnorm(.975) + qnorm(power); V <- diag(1 / f) / z^2; k <- length(f)
  A <- diag(k) - pi * matrix(f, k, k, byrow = TRUE); W <- A %*% V %*% t(A); m <- as.numeric(A %*% rep(1, k))
  list(shares = f, power = power, fraction = pi, kept = pnorm(m / sqrt(diag(W))), all = as.numeric(pmvnorm(lower = rep(0, k), mean = rep(1, k), sigma = V)))
}
share <- function(power, pi) uniroot(function(f) planned(c(f, 1 - f), power, pi)$kept[1] - .8, c(.01, .9), tol = 1e-14)$root
dat <- escalc(measure = "RR", ai = tpos, bi = tneg, ci = cpos, di = cneg, data = dat.bcg)
region <- factor(dat$alloc); by <- rma(yi, vi, mods = ~ region - 1, method = "FE", data = dat)
test <- rma(yi, vi, mods = ~ region, method = "FE", data = dat); whole <- rma(yi, vi, method = "FE", data = dat)
out <- list(script = "tests/golden/r/consistency.R", R = R.version.string, metafor = as.character(packageVersion("metafor")),
  mvtnorm = as.character(packageVersion("mvtnorm")),
  planned = list(planned(c(.2, .8), .9, .5), planned(rep(1/3, 3), .9, .5), planned(c(.2, .4, .4), .9, .5), planned(c(.3, .7), .8, 1/3)),
  share = c(share(.9, .5), share(.8, .5), share(.9, .4)),
  bcg = list(values = as.numeric(dat$yi), errors = sqrt(as.numeric(dat$vi)), region = as.integer(region) - 1L, by = as.numeric(by$b), error = by$se,
    overall = as.numeric(whole$b), overall_error = whole$se, q = test$QM, p = test$QMp))
births <- fromJSON("tests/golden/meta.json")
halves <- factor(c("KR", "KR", "CN", "CN"), c("KR", "CN"))
regions <- function(m) { by <- rma(m$values, m$errors^2, mods = ~ halves - 1, method = "FE"); test <- rma(m$values, m$errors^2, mods = ~ halves, method = "FE")
  list(by = as.numeric(by$b), error = by$se, q = test$QM, p = test$QMp) }
out$births <- list(logistic = regions(births$logistic$age), linear = regions(births$linear$smoke))
write_json(out, "tests/golden/consistency.json", digits = NA, auto_unbox = TRUE)
