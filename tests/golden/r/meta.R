# Meta-analysis by metafor of fits at four hospitals, and of the BCG trials, on data that MASS and metafor ship.
suppressMessages({library(metafor); library(jsonlite)})
births <- within(read.csv("tests/golden/data/births.csv"), race <- factor(race, c("white", "black", "other")))
# The hospital of each of the births in the tests: dealt out in turn within race, outcome and smoking.
births$turn <- 0; births$turn[order(as.integer(births$race), births$low, births$smoke)] <- (seq_len(nrow(births)) - 1) %% 4
control <- list(threshold = 1e-14, maxiter = 10000, tau2.max = 100, tol = 1e-14)
told <- function(m) list(value = as.numeric(m$b), error = m$se, interval = c(m$ci.lb, m$ci.ub), p = m$pval, tau2 = m$tau2,
  i2 = m$I2 / 100, q = m$QE)
summarise <- function(yi, vi) {
  fits <- lapply(list(REML = "REML", DL = "DL", PM = "PM"), function(how) {
    two <- lapply(list(knapp = "adhoc", standard = "z"), function(test) {
      m <- rma(yi, vi, method = how, test = test, control = control)
      c(told(m), list(weights = unname(weights(m)) / 100, without = lapply(seq_along(yi), function(i) told(rma(yi[-i], vi[-i], method = how, test = test, control = control))))) })
    two })
  c(fits, list(fixed = told(rma(yi, vi, method = "FE")), values = yi, errors = sqrt(vi)))
}
at <- function(fit, term) {
  found <- lapply(0:3, function(k) { m <- fit(births[births$turn == k, ]); c(coef(m)[[term]], vcov(m)[term, term]) })
  yi <- sapply(found, `[`, 1); vi <- sapply(found, `[`, 2); summarise(yi, vi)
}
# glm keeps the weights of the last step but one: at the coefficients themselves they are the same to rounding.
tight <- glm.control(epsilon = 1e-15, maxit = 100)
logit <- function(d) glm(low ~ age + lwt, binomial, d, control = tight)
line <- function(d) lm(bwt ~ lwt + smoke, d)
dat <- escalc(measure = "RR", ai = tpos, bi = tneg, ci = cpos, di = cneg, data = dat.bcg)
out <- list(script = "tests/golden/r/meta.R", R = R.version.string, metafor = as.character(packageVersion("metafor")),
  logistic = list(age = at(logit, "age"), lwt = at(logit, "lwt")), linear = list(lwt = at(line, "lwt"), smoke = at(line, "smoke")),
  bcg = summarise(as.numeric(dat$yi), as.numeric(dat$vi)))
write_json(out, "tests/golden/meta.json", digits = NA, auto_unbox = TRUE)
