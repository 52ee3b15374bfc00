# Logistic mixed models by lme4's glmer, nAGQ = 1, on contagious pleuropneumonia of cattle (lme4's cbpp: Lesnoff and
# others 2004, Prev Vet Med 64:21), an animal a row, and on the Dutch pupils of mixed.R, who pass from 42 points on.
# glmer's search stops some figures early, and its deviance is that of a loop that stops at 1e-10. The same deviance,
# written by its definition and held against glmer's own, is differentiated by Richardson's extrapolation: Newton's steps
# lead to the optimum, and its Hessian gives errors as `vcov(use.hessian = TRUE)` does.
suppressMessages({library(lme4); library(numDeriv); library(jsonlite)})
data(cbpp)
write.csv(data.frame(herd = as.integer(cbpp$herd), period = as.integer(cbpp$period), incidence = cbpp$incidence, size = cbpp$size),
  "tests/golden/data/cbpp.csv", row.names = FALSE, quote = FALSE)
rows <- rep(seq_len(nrow(cbpp)), cbpp$size)
animals <- data.frame(herd = as.integer(cbpp$herd)[rows], period = as.integer(cbpp$period)[rows],
  ill = unlist(mapply(function(k, n) rep(1:0, c(k, n - k)), cbpp$incidence, cbpp$size, SIMPLIFY = FALSE)))
animals$late <- as.integer(animals$period > 1); animals$hospital <- factor(animals$herd %% 4)
animals$third <- as.integer(animals$period == 3); animals$fourth <- as.integer(animals$period == 4)
pupils <- read.csv("tests/golden/data/pupils.csv"); classes <- read.csv("tests/golden/data/classes.csv")
pupils$pass <- as.integer(pupils$lang >= 42); classes$pass <- as.integer(classes$lang >= 42)
pupils$ward <- interaction(pupils$class, pupils$hospital, drop = TRUE); pupils$hospital <- factor(pupils$hospital)
lots <- pupils; lots$hospital <- seq_len(nrow(lots)) %% 8

tight <- glmerControl(optimizer = "bobyqa", optCtrl = list(rhobeg = 0.2, rhoend = 1e-10, maxfun = 1e6), calc.derivs = FALSE, tolPwrss = 1e-10)
defined <- function(y, X, group) function(par) {
  d <- par[1]; eta <- drop(X %*% par[-1])
  -2 * sum(vapply(split(seq_along(y), group), function(i) {
    u <- 0
    for (k in 1:60) { m <- plogis(eta[i] + d * u); u <- u + (d * sum(y[i] - m) - u) / (1 + d^2 * sum(m * (1 - m))) }
    m <- plogis(eta[i] + d * u)
    sum(dbinom(y[i], 1, m, log = TRUE)) - u^2 / 2 - log1p(d^2 * sum(m * (1 - m))) / 2
  }, 0))
}
one <- function(formula, data, name, gagyo, cluster, edge = FALSE) {
  m <- eval(bquote(glmer(.(formula), data = data, family = binomial, nAGQ = 1, control = tight)))
  theirs <- update(m, devFunOnly = TRUE)
  found <- c(getME(m, "theta"), fixef(m)); at <- found
  X <- getME(m, "X"); size <- c(1, pmax(1, apply(abs(X), 2, max)))  # steps of like effect
  f <- defined(getME(m, "y"), X, getME(m, "flist")[[1]])
  stopifnot(abs(theirs(found) - f(found)) < 1e-10 * f(found))
  g <- function(z) f(z / size)
  wide <- list(d = 0.02, eps = 0.02, zero.tol = 0.5, r = 7)
  if (!edge) for (i in 1:5) at <- at - solve(hessian(g, at * size), grad(g, at * size, method.args = wide)) / size
  H <- hessian(g, at * size, method.args = list(r = 6, zero.tol = 10, eps = 0.05)) / 2
  errors <- if (edge) c(NA, sqrt(diag(solve(H[-1, -1])))) else sqrt(diag(solve(H)))
  list(data = name, formula = gagyo, cluster = cluster, people = nobs(m), terms = c("deviation", names(fixef(m))),
    found = unname(found), deviance = as.numeric(theirs(found)), optimum = unname(at), least = as.numeric(theirs(at)),
    errors = unname(errors / size), without = deviance(glm(nobars(formula), data = data, family = binomial, epsilon = 1e-14)),
    singular = isSingular(m))
}
cases <- list(
  herds = one(ill ~ late + third + fourth + hospital + (1 | herd), animals, "cbpp", "ill ~ late + third + fourth", "herd"),
  wards = one(pass ~ verbal + ses + hospital + (1 | ward), pupils, "pupils", "pass ~ verbal + ses", "class"),
  hospitals = one(pass ~ verbal + ses + (1 | hospital), classes, "classes", "pass ~ verbal + ses", ""),
  edge = one(pass ~ verbal + ses + (1 | hospital), lots, "lots", "pass ~ verbal + ses", "", edge = TRUE))
out <- list(script = "tests/golden/r/mixed_logistic.R", R = R.version.string, lme4 = as.character(packageVersion("lme4")),
  cases = cases)
write_json(out, "tests/golden/mixed_logistic.json", digits = NA, auto_unbox = TRUE, na = "null")
for (k in names(cases)) { cat(k, cases[[k]]$found, "|", cases[[k]]$optimum - cases[[k]]$found, "|", cases[[k]]$deviance, cases[[k]]$least, cases[[k]]$errors, "\n") }
